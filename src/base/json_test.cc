#include "base/json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

namespace azimuth {
namespace {

using nlohmann::json;

std::string parse_error(std::string_view text, const JsonLimits& limits = {}) {
  const auto parsed = parse_json(text, "config.json", limits);
  return parsed.ok() ? "parsed" : parsed.status().message();
}

TEST(JsonParse, ReadsWhatPythonWrites) {
  const auto parsed =
      parse_json(R"({"limit": [0.0, Infinity], "low": -Infinity, "odd": NaN, "text": "NaN \" Infinity"})", "f");
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  EXPECT_EQ((*parsed)["limit"][1].get<double>(), INFINITY);
  EXPECT_EQ((*parsed)["low"].get<double>(), -INFINITY);
  EXPECT_TRUE(std::isnan((*parsed)["odd"].get<double>()));
  EXPECT_EQ((*parsed)["text"], "NaN \" Infinity");
}

TEST(JsonParse, LastOfEqualKeysWins) {
  const auto parsed = parse_json(R"({"a": 1, "a": 2})", "f");
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ((*parsed)["a"], 2);
}

TEST(JsonParse, DeepNestingIsRefusedBeforeParsing) {
  const std::string deep(5'000'000, '[');
  EXPECT_EQ(parse_error(deep), "config.json: expected JSON nested at most 64 levels deep, found more");
  std::string allowed = std::string(64, '[') + std::string(64, ']');
  EXPECT_EQ(parse_error(allowed), "parsed");
  EXPECT_EQ(parse_json("[" + allowed + "]", "f").status().code(), StatusCode::resource_exhausted);
  EXPECT_EQ(parse_error(R"({"a": "[[[[[["})", {.depth = 1}), "parsed") << "brackets in strings are text";
}

TEST(JsonParse, SizeLimit) {
  EXPECT_EQ(parse_error("[1,2]", {.bytes = 4}), "config.json: expected at most 4 bytes of JSON, found 5");
  EXPECT_EQ(parse_error("[1,2]", {.bytes = 5}), "parsed");
}

TEST(JsonParse, DamagedTextNamesFileAndPlace) {
  for (const char* text :
       {"", "{", "{\"a\" 1}", "[1,]", "nul", "{\"a\": Infinit}", "\"\xff\"", "[1e999]", "[-Infinity", "\"\\"}) {
    const std::string message = parse_error(text);
    EXPECT_TRUE(message.starts_with("config.json: expected valid JSON, found a ")) << text << " -> " << message;
    EXPECT_EQ(message.find("json.exception"), std::string::npos) << message;
  }
}

class JsonViewTest : public ::testing::Test {
 protected:
  json root_ = json::parse(R"({
    "heads": 16, "eps": 1e-6, "name": "qwen", "flag": true, "nothing": null, "big": 18446744073709551615,
    "sizes": [1, 2, 3], "mixed": [1, "x"], "names": ["a", "b"], "fractions": [0.5, 1],
    "text_config": {"num_attention_heads": "x", "deep": {"list": [{"k": 1.5}]}}})");
  JsonView view_{root_, "config.json"};
};

TEST_F(JsonViewTest, ReadsEachType) {
  EXPECT_EQ(*view_.integer("heads", 1, 4096), 16);
  EXPECT_EQ(*view_.number("eps"), 1e-6);
  EXPECT_EQ(*view_.number("heads"), 16.0);
  EXPECT_EQ(*view_.string("name"), "qwen");
  EXPECT_TRUE(*view_.boolean("flag"));
  EXPECT_EQ(*view_.integers("sizes"), (std::vector<int64_t>{1, 2, 3}));
  EXPECT_EQ(*view_.numbers("fractions"), (std::vector<double>{0.5, 1.0}));
  EXPECT_EQ(*view_.strings("names"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(view_.object("text_config")->keys(), (std::vector<std::string>{"deep", "num_attention_heads"}));
}

TEST_F(JsonViewTest, FallbackStandsInForAbsentAndNullOnly) {
  EXPECT_EQ(*view_.integer_or("nothing", 7), 7);
  EXPECT_EQ(*view_.integer_or("absent", 7), 7);
  EXPECT_EQ(*view_.integer_or("heads", 7), 16);
  EXPECT_FALSE(view_.integer_or("name", 7).ok());
  EXPECT_EQ(*view_.string_or("nothing", "d"), "d");
  EXPECT_EQ(*view_.boolean_or("absent", true), true);
  EXPECT_EQ(*view_.number_or("absent", 2.5), 2.5);
  EXPECT_FALSE(view_.has("nothing"));
  EXPECT_TRUE(view_.has("flag"));
}

TEST_F(JsonViewTest, ErrorsNamePathExpectedAndFound) {
  const JsonView text = *view_.object("text_config");
  EXPECT_EQ(text.integer("num_attention_heads", 1, 4096).status().message(),
            "config.json: text_config.num_attention_heads expected an integer in [1, 4096], found \"x\"");
  EXPECT_EQ(text.object("deep")->array("list")->at(0).integer("k", 0).status().message(),
            "config.json: text_config.deep.list[0].k expected an integer of at least 0, found 1.5");
  EXPECT_EQ(view_.integer("heads", 1, 8).status().message(),
            "config.json: heads expected an integer in [1, 8], found 16");
  EXPECT_EQ(view_.integer("absent").status().message(), "config.json: absent expected an integer, found nothing");
  EXPECT_EQ(view_.integer("nothing").status().message(), "config.json: nothing expected an integer, found nothing");
  EXPECT_EQ(view_.object("heads").status().message(), "config.json: heads expected an object, found 16");
  EXPECT_EQ(view_.integers("mixed").status().message(), "config.json: mixed[1] expected an integer, found \"x\"");
  EXPECT_EQ(view_.number("eps", 1.0, 2.5).status().message(),
            "config.json: eps expected a number in [1, 2.5], found 1e-06");
  EXPECT_EQ(view_.string("text_config").status().message(),
            "config.json: text_config expected a string, found an object with 2 keys");
}

TEST_F(JsonViewTest, IntegersBeyondInt64AreRefused) {
  EXPECT_FALSE(view_.integer("big").ok());
  EXPECT_EQ(*view_.number("big"), 18446744073709551616.0);
}

TEST(JsonViewNonFinite, PassOnlyWhereABoundIsInfinite) {
  const auto root = parse_json(R"({"i": Infinity, "n": NaN})", "f");
  const JsonView view(*root, "f");
  EXPECT_EQ(view.number("i").status().message(), "f: i expected a finite number, found inf");
  EXPECT_EQ(*view.number("i", 0.0, INFINITY), INFINITY);
  EXPECT_FALSE(view.number("n", -INFINITY, INFINITY).ok());
}

TEST(JsonDescribe, LongValuesAreShortenedAtACharacter) {
  const std::string text = describe_json(json(std::string(100, 'a')));
  EXPECT_EQ(text, "\"" + std::string(59, 'a') + "...");
  std::string accented;
  for (int i = 0; i < 50; ++i) accented += "\u00e9";
  EXPECT_EQ(describe_json(json(accented)).size(), 1 + 58 + 3u) << "a two-byte character is not cut";
}

TEST(JsonQuote, EscapesAndShortensAnything) {
  EXPECT_EQ(quote_json("a\nb"), "\"a\\nb\"");
  EXPECT_EQ(quote_json(std::string(1 << 20, 'x')).size(), 60 + 3u);
  EXPECT_EQ(quote_json("\xff").size(), 1 + 3 + 1u) << "U+FFFD stands for a byte that is no UTF-8";
}

}  // namespace
}  // namespace azimuth
