// Pages and drawings without a browser: their numbers, their escaping, their pictures.
#include "azimuth/report.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "media/image.h"
#include "media/resize.h"
#include "report/color_ramp.h"
#include "report/html_page.h"
#include "report/positions_data.h"
#include "report/shown_text.h"

namespace azimuth {
namespace {

using nlohmann::json;

const std::string kTiny = std::string(AZIMUTH_SOURCE_DIR) + "/models/azimuth-tiny";

Engine load() {
  EngineOptions options;
  options.load_weights = false;
  Result<Engine> engine = Engine::load(kTiny, options);
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  return std::move(*engine);
}

Request question(const std::string& text, const std::string& policy = "") {
  Request request;
  request.messages =
      json::array(
          {{{"role", "user"},
            {"content", {{{"type", "image"}, {"image", kTiny + "/demo.png"}}, {{"type", "text"}, {"text", text}}}}}})
          .dump();
  request.positions = policy;
  return request;
}

PromptReport inspect(const Engine& engine, const Request& request) {
  Result<PromptReport> report = inspect_prompt(engine, request);
  EXPECT_TRUE(report.ok()) << report.status().message();
  return std::move(*report);
}

// Two words, two cells, a word: ids by hand.
PromptReport by_hand(int axes, std::vector<float> ids, double next_text) {
  PromptReport report;
  report.policy = "by hand";
  report.tokens = {"a", "b", "<i>", "<i>", "c"};
  report.prompt.ids = {1, 2, 3, 3, 4};
  report.prompt.spans = {{.kind = SpanKind::text, .begin = 0, .end = 2, .grid = {}},
                         {.kind = SpanKind::image, .begin = 2, .end = 4, .media = 0, .grid = {1, 1, 2}},
                         {.kind = SpanKind::text, .begin = 4, .end = 5, .grid = {}}};
  report.positions.sets = {{.axes = axes, .ids = std::move(ids), .next_text = next_text, .next_decode = next_text}};
  return report;
}

std::string between(const std::string& text, const std::string& begin, const std::string& end) {
  const size_t from = text.find(begin);
  EXPECT_NE(from, std::string::npos) << begin;
  const size_t to = text.find(end, from + begin.size());
  EXPECT_NE(to, std::string::npos) << end;
  return text.substr(from + begin.size(), to - from - begin.size());
}

json page_data(const std::string& html) {
  return json::parse(between(html, "<script type=\"application/json\" id=\"data\">", "</script>"));
}

// Every element that is opened is closed, in order; no attribute and no text leaves its place.
void expect_well_formed(const std::string& xml) {
  std::vector<std::string> open;
  size_t at = xml.find("?>") + 2;
  while ((at = xml.find('<', at)) != std::string::npos) {
    const size_t end = xml.find('>', at);
    ASSERT_NE(end, std::string::npos);
    const std::string tag = xml.substr(at + 1, end - at - 1);
    ASSERT_FALSE(tag.empty());
    EXPECT_EQ(std::count(tag.begin(), tag.end(), '"') % 2, 0) << tag;
    EXPECT_EQ(tag.find('<'), std::string::npos) << tag;
    const std::string name = tag.substr(tag[0] == '/', tag.find_first_of(" /", 1) - (tag[0] == '/'));
    if (tag[0] == '/') {
      ASSERT_FALSE(open.empty());
      EXPECT_EQ(open.back(), tag.substr(1));
      open.pop_back();
    } else if (tag.back() != '/') {
      open.push_back(tag.substr(0, tag.find(' ')));
    }
    at = end;
  }
  EXPECT_TRUE(open.empty());
}

TEST(PositionsJson, HoldsTheTable) {
  const Engine engine = load();
  for (const char* policy : {"", "vanilla", "circle", "mhrope"}) {
    Result<PromptReport> report = inspect_prompt(engine, question("How many?", policy));
    if (!report.ok()) continue;  // a plan per head that does not fit the bundled heads
    const json data = json::parse(positions_json(*report));
    const PositionSet& set = report->positions.sets[0];
    ASSERT_EQ(data["tokens"].size(), static_cast<size_t>(set.tokens()));
    for (int64_t i = 0; i < set.tokens(); ++i) {
      const json& token = data["tokens"][static_cast<size_t>(i)];
      EXPECT_EQ(token["id"], report->prompt.ids[static_cast<size_t>(i)]);
      ASSERT_EQ(token["position"].size(), static_cast<size_t>(set.axes));
      for (int axis = 0; axis < set.axes; ++axis) {
        EXPECT_EQ(token["position"][static_cast<size_t>(axis)].get<float>(), set.token(i)[axis]);
      }
    }
    EXPECT_EQ(data["next_text"].get<double>(), set.next_text);
    EXPECT_EQ(data["axes"], set.axes);
  }
}

TEST(PositionsJson, WholeIdsAreIntegersAndSetsAreAllThere) {
  PromptReport report = by_hand(1, {0, 1, 2.25f, 3, 4}, 5);
  report.positions.sets.push_back(report.positions.sets[0]);
  report.positions.sets[1].ids[2] = 1.0f;
  report.positions.set_of_layer = {0, 1, 1};
  const json data = json::parse(positions_json(report));
  EXPECT_TRUE(data["tokens"][1]["position"][0].is_number_integer());
  EXPECT_EQ(data["tokens"][2]["position"][0], 2.25);
  ASSERT_EQ(data["sets"].size(), 2u);
  EXPECT_EQ(data["sets"][1]["position"], json::parse("[[0],[1],[1],[3],[4]]"));
  EXPECT_EQ(data["sets"][1]["overlap"][2]["shared"], json::parse("[0]"));
  EXPECT_EQ(data["set_of_layer"], json::parse("[0,1,1]"));
}

TEST(PositionsJson, PlansPerGroupAreOneListEach) {
  PromptReport report = by_hand(1, {0, 1, 2, 3, 4}, 5);
  report.plan.groups = 2;
  report.plan.pairs = 2;
  report.plan.axis = {0, 0, 0, -1};
  report.plan.inv_freq = {1.0f, 0.5f, 1.0f, 0.0f};
  const json data = json::parse(positions_json(report));
  EXPECT_EQ(data["axis_of_pair"], json::parse("[[0,0],[0,-1]]"));
  EXPECT_EQ(data["inv_freq"], json::parse("[[1.0,0.5],[1.0,0.0]]"));
}

TEST(PositionsJson, LayerTypesHaveASpectrumEach) {
  PromptReport report = by_hand(1, {0, 1, 2, 3, 4}, 5);
  report.plan.groups = report.plan.pairs = 1;
  report.plan.axis = {0};
  report.plan.inv_freq = {0.5f};
  FrequencyPlan slow = report.plan;
  for (float& inv_freq : slow.inv_freq) inv_freq /= 8.0f;
  report.plans = {{"sliding_attention", report.plan}, {"full_attention", slow}};
  const json data = json::parse(positions_json(report));
  EXPECT_EQ(data["layer_types"]["sliding_attention"]["inv_freq"], data["inv_freq"]);
  EXPECT_EQ(data["layer_types"]["full_attention"]["inv_freq"][0], data["inv_freq"][0].get<float>() / 8.0f);
  const Result<std::string> drawing = positions_svg({"model", {report}, {}, {}});
  ASSERT_TRUE(drawing.ok());
  EXPECT_NE(drawing->find("turns once, full_attention"), std::string::npos);
}

TEST(Overlap, MarksWhatReachesTheTextBehindAndWhatTextHas) {
  // The second cell is at the id of the text behind on h, and at an id of earlier text on w.
  const PromptReport report = by_hand(3, {0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 4, 0, 4, 4, 4}, 5);
  const std::vector<TokenOverlap> overlaps = find_overlaps(report);
  ASSERT_EQ(overlaps.size(), 5u);
  EXPECT_FALSE(overlaps[1].any());
  EXPECT_FALSE(overlaps[2].any());
  EXPECT_EQ(overlaps[3].ahead, 0b010);
  EXPECT_EQ(overlaps[3].shared, 0b110);
  EXPECT_FALSE(overlaps[4].any());
}

TEST(Overlap, AnAxisThatTextDoesNotUseDoesNotCount) {
  PromptReport report = by_hand(3, {0, 0, 0, 1, 0, 0, 2, 0, 0, 2, 0, 1, 3, 0, 0}, 4);
  report.positions.sets[0].text_axes = 0b001;
  for (const TokenOverlap& overlap : find_overlaps(report)) EXPECT_FALSE(overlap.any());
}

TEST(Overlap, BehindTheLastPictureComesTheNextText) {
  PromptReport report = by_hand(1, {0, 1, 2, 9, 0}, 9);
  report.prompt.spans.pop_back();
  report.prompt.spans[1].end = 5;
  report.prompt.spans[1].grid = {1, 1, 3};
  const std::vector<TokenOverlap> overlaps = find_overlaps(report);
  EXPECT_FALSE(overlaps[2].any());
  EXPECT_EQ(overlaps[3].ahead, 1);
  EXPECT_EQ(overlaps[4].shared, 1);
}

TEST(PositionsHtml, HoldsTheNumbersOfJsonAndThePictures) {
  const Engine engine = load();
  const Request request = question("How many?");
  PositionsPage page{"a model", {inspect(engine, request), inspect(engine, question("How many?", "vanilla"))}, {}, {}};
  Result<std::vector<PictureView>> pictures = picture_views(engine, request);
  ASSERT_TRUE(pictures.ok()) << pictures.status().message();
  page.pictures = std::move(*pictures);
  const Result<std::string> html = positions_html(page);
  ASSERT_TRUE(html.ok()) << html.status().message();
  const json data = page_data(*html);
  ASSERT_EQ(data["reports"].size(), 2u);
  EXPECT_EQ(data["reports"][0], json::parse(positions_json(page.policies[0])));
  EXPECT_EQ(data["reports"][1], json::parse(positions_json(page.policies[1])));
  ASSERT_EQ(data["pictures"].size(), 1u);
  EXPECT_EQ(data["pictures"][0]["url"], page.pictures[0].data_url);
  EXPECT_EQ(html->find("{{"), std::string::npos) << "every place is filled";
}

TEST(PositionsHtml, HoldsTheLintersFindings) {
  const Engine engine = load();
  const Request request = question("How many?", "videorope");
  const Result<LintReport> lint = lint_prompt(engine, request);
  ASSERT_TRUE(lint.ok()) << lint.status().message();
  ASSERT_FALSE(lint->findings.empty()) << "VideoRoPE's pictures overlap with text";
  const Result<std::string> html = positions_html({"", {inspect(engine, request)}, {}, {*lint}});
  ASSERT_TRUE(html.ok());
  const json findings = page_data(*html)["reports"][0]["findings"];
  ASSERT_EQ(findings.size(), lint->findings.size());
  for (size_t i = 0; i < findings.size(); ++i) {
    EXPECT_EQ(findings[i]["message"], lint->findings[i].message);
    EXPECT_EQ(findings[i]["severity"], to_string(lint->findings[i].severity));
  }
  EXPECT_FALSE(json::parse(positions_json(inspect(engine, request))).contains("findings"));
}

TEST(PositionsHtml, HostileTokensStayInTheirPlace) {
  PromptReport report = by_hand(1, {0, 1, 2, 3, 4}, 5);
  report.tokens = {"</script><script>alert(1)</script>", "<!-- {{data}}", "\xff\xfe", "\"'&\n", "\xe2\x80\xa8"};
  report.policy = "<b>&\"</title>";
  const Result<std::string> html = positions_html({"<model>", {report}, {}, {}});
  ASSERT_TRUE(html.ok());
  const json data = page_data(*html);
  EXPECT_EQ(data["reports"][0]["tokens"][0]["text"], report.tokens[0]);
  EXPECT_EQ(data["reports"][0]["tokens"][1]["text"], report.tokens[1]);
  EXPECT_EQ(data["reports"][0]["tokens"][2]["text"], "\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(html->find("<script>alert"), std::string::npos);
  EXPECT_EQ(between(*html, "<title>", "</title>"), "Positions: &lt;b&gt;&amp;&quot;&lt;/title&gt;");
}

TEST(PositionsHtml, RefusesPoliciesOfDifferentPrompts) {
  const PromptReport one = by_hand(1, {0, 1, 2, 3, 4}, 5);
  PromptReport other = one;
  other.prompt.spans[1].grid = {1, 2, 1};
  EXPECT_EQ(positions_html({"", {one, other}, {}, {}}).status().code(), StatusCode::invalid_argument);
  EXPECT_EQ(positions_html({"", {}, {}, {}}).status().code(), StatusCode::invalid_argument);
  EXPECT_EQ(positions_html({"", {one, one}, {}, {LintReport()}}).status().code(), StatusCode::invalid_argument);
  EXPECT_EQ(positions_svg({"", {one, one, one}, {}, {}}).status().code(), StatusCode::invalid_argument);
}

TEST(PositionsSvg, IsWellFormedAndShowsEveryId) {
  const Engine engine = load();
  const Request request = question("How <many> & \"where\"?");
  for (const char* policy : {"", "vanilla", "circle"}) {
    Request other = request;
    other.positions = policy;
    PositionsPage page{"a <model>", {inspect(engine, other)}, {}, {}};
    Result<std::vector<PictureView>> pictures = picture_views(engine, other);
    ASSERT_TRUE(pictures.ok());
    page.pictures = std::move(*pictures);
    const Result<std::string> svg = positions_svg(page);
    ASSERT_TRUE(svg.ok()) << svg.status().message();
    expect_well_formed(*svg);
    const PositionSet& set = page.policies[0].positions.sets[0];
    for (const Span& span : page.policies[0].prompt.spans) {
      for (int64_t token = span.begin; token < span.end; ++token) {
        const float* ids = set.token(token);
        if (span.kind == SpanKind::text) {
          EXPECT_NE(svg->find(">" + report::format_id(static_cast<double>(ids[0])) + "<"), std::string::npos);
          continue;
        }
        const int64_t cell = token - span.begin;
        for (int axis = 0; axis < set.axes; ++axis) {
          const std::string id = report::axis_name(set.axes, axis) + " " + report::format_id(ids[axis]);
          EXPECT_NE(svg->find("row " + std::to_string(cell / span.grid.w) + ", column " +
                              std::to_string(cell % span.grid.w) + ": " + id),
                    std::string::npos)
              << policy << ", token " << token << ": " << id;
        }
      }
    }
  }
}

TEST(PositionsSvg, LongTextIsDrawnByItsEnds) {
  PromptReport report = by_hand(1, {}, 1000);
  report.tokens.assign(1000, "word");
  report.prompt.ids.assign(1000, 7);
  report.prompt.spans = {{.kind = SpanKind::text, .begin = 0, .end = 1000, .grid = {}}};
  for (int i = 0; i < 1000; ++i) report.positions.sets[0].ids.push_back(static_cast<float>(i));
  const Result<std::string> svg = positions_svg({"", {report}, {}, {}});
  ASSERT_TRUE(svg.ok());
  expect_well_formed(*svg);
  EXPECT_NE(svg->find("920 text tokens, ids 40 to 959"), std::string::npos);
  EXPECT_NE(svg->find(">999<"), std::string::npos);
}

// Mean difference of two pictures in grey levels. `swapped`: the second is read with rows and columns exchanged.
double mean_difference(const media::Image& a, const media::Image& b, bool swapped) {
  double sum = 0.0;
  for (int64_t y = 0; y < a.height; ++y) {
    for (int64_t x = 0; x < a.width; ++x) {
      for (int64_t c = 0; c < 3; ++c) {
        const int64_t other = swapped ? x * b.width + y : y * b.width + x;
        sum += std::abs(static_cast<double>(a.rgb[static_cast<size_t>((y * a.width + x) * 3 + c)]) -
                        static_cast<double>(b.rgb[static_cast<size_t>(other * 3 + c)]));
      }
    }
  }
  return sum / static_cast<double>(a.rgb.size());
}

// What is shown is what the model sees: the picture after preprocessing, up to what a JPEG changes.
TEST(PictureViews, AreThePreprocessedPicture) {
  const Engine engine = load();
  const Result<std::vector<PictureView>> views = picture_views(engine, question("What?"));
  ASSERT_TRUE(views.ok()) << views.status().message();
  ASSERT_EQ(views->size(), 1u);
  const PictureView& view = (*views)[0];
  EXPECT_EQ(view.span, 1u);
  EXPECT_EQ(view.frame, 0);
  const Result<media::Image> shown = media::load_image(view.data_url);
  ASSERT_TRUE(shown.ok()) << shown.status().message();
  EXPECT_EQ(shown->width, view.width);
  EXPECT_EQ(shown->height, view.height);
  EXPECT_EQ(view.width, 4 * 24) << "four cells of two patches of twelve pixels";
  const Result<media::Image> original = media::load_image(kTiny + "/demo.png");
  ASSERT_TRUE(original.ok());
  ThreadPool pool(1);
  const Result<media::Image> resized =
      media::resize(*original, view.width, view.height, ResampleFilter::bicubic, PixelArithmetic::torchvision, pool);
  ASSERT_TRUE(resized.ok());
  // The luma table of quality 85 has steps of 3 to 36 levels, 5 for the strongest frequencies: rounding to them moves a
  // pixel by about a quarter of a step.
  EXPECT_LT(mean_difference(*shown, *resized, false), 5.0 / 2);
  EXPECT_GT(mean_difference(*shown, *resized, true), 10.0) << "the test would see swapped rows and columns";
}

TEST(ColorRamp, LightnessGrowsEvenlyAndTextIsReadable) {
  // OKLab lightness of a colour.
  const auto lightness = [](const report::Rgb& color) {
    const auto linear = [](uint8_t byte) {
      const double x = byte / 255.0;
      return x <= 0.04045 ? x / 12.92 : std::pow((x + 0.055) / 1.055, 2.4);
    };
    const double r = linear(color.red);
    const double g = linear(color.green);
    const double b = linear(color.blue);
    return 0.2104542553 * std::cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b) +
           0.7936177850 * std::cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b) -
           0.0040720468 * std::cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  };
  for (int i = 0; i < 20; ++i) {
    const double step = lightness(report::ramp_color((i + 1) / 20.0)) - lightness(report::ramp_color(i / 20.0));
    EXPECT_NEAR(step, 0.6 / 20, 0.004) << i;  // bytes round by up to 0.002
  }
  EXPECT_FALSE(report::wants_dark_text(report::ramp_color(0.0)));
  EXPECT_TRUE(report::wants_dark_text(report::ramp_color(1.0)));
  EXPECT_EQ(report::hex({1, 171, 255}), "#01abff");
}

TEST(ShownText, FitsAndHidesNothing) {
  EXPECT_EQ(report::shown_text(" a b ", 20), "\u2423a b\u2423");
  EXPECT_EQ(report::shown_text("\n\t", 20), "\\n\\t");
  EXPECT_EQ(report::shown_text("a\u202eb", 20), "a\\u{202e}b");
  EXPECT_EQ(report::shown_text("abcdef", 3), "abc\u2026");
  EXPECT_EQ(report::shown_text("\xff", 3), "\ufffd");
  EXPECT_EQ(report::shown_text("\xe2\x82", 3), "\ufffd\ufffd") << "cut short";
  EXPECT_EQ(report::text_columns("a\u6f22e\u0301"), 4);
}

TEST(FormatId, WholeNumbersAndFourDecimals) {
  EXPECT_EQ(report::format_id(17.0), "17");
  EXPECT_EQ(report::format_id(-3.0), "-3");
  EXPECT_EQ(report::format_id(0.5), "0.5");
  EXPECT_EQ(report::format_id(1.0 / 3.0), "0.3333");
  EXPECT_EQ(report::format_id(-0.00001), "0");
  EXPECT_EQ(report::format_id(99.99999), "100");
}

// A report with one query in one layer of two heads.
AttendReport attention_by_hand() {
  AttendReport report;
  report.prompt = by_hand(1, {0, 1, 2, 3, 4}, 5);
  report.visual_tokens = {2, 3};
  report.generated_ids = {9};
  report.generated_tokens = {"</script>"};
  LayerAttention layer{2, {0.5f, 0.25f}, {0.125f, 0.375f, 0.25f, 0.0f}, {0.25f, 0.25f, 0.1875f, 0.1875f, 0.125f}};
  report.queries = {{4, {layer}}};
  report.sink_queries = {4};
  report.sinks = {{0, 0.25, 3, 0.1875}};
  return report;
}

TEST(AttendJson, HoldsTheReport) {
  const json data = json::parse(attend_json(attention_by_hand()));
  const json& layer = data["queries"][0]["layers"][0];
  EXPECT_EQ(layer["visual_share"], json::parse("[0.5,0.25]"));
  EXPECT_EQ(layer["mean_visual_share"], 0.375);
  EXPECT_EQ(layer["visual"], json::parse("[[0.125,0.375],[0.25,0.0]]"));
  EXPECT_EQ(layer["mean"], json::parse("[0.25,0.25,0.1875,0.1875,0.125]"));
  EXPECT_EQ(data["sinks"][0]["cell"], json::parse(R"({"span":1,"frame":0,"row":0,"column":1})"));
  EXPECT_EQ(data["generated"][0]["text"], "</script>");
}

TEST(AttendHtml, HoldsTheNumbersOfJson) {
  const std::string html = attend_html({"m", attention_by_hand(), {}});
  EXPECT_EQ(page_data(html)["report"], json::parse(attend_json(attention_by_hand())));
  EXPECT_EQ(html.find("{{"), std::string::npos);
}

}  // namespace
}  // namespace azimuth
