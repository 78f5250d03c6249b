// Keys of the starts of sequences, and what is kept under them; without a model.
#include "engine/prefix_cache.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>

namespace azimuth::engine {
namespace {

constexpr int64_t kBlock = kernels::kAttentionBlock;
constexpr int kKvHeads = 2;
constexpr int kHeadDim = 3;

TextSpec text_spec(bool linear = false, bool crosses = false) {
  TextSpec spec;
  LayerSpec layer;
  layer.heads = layer.kv_heads = kKvHeads;
  layer.head_dim = layer.value_dim = kHeadDim;
  spec.layers = {layer, layer};
  if (linear) {
    spec.layers[0].mixer = MixerKind::linear_attention;
    spec.layers[0].linear = LinearAttentionSpec{1, 1, 2, 2, 3};
  }
  if (crosses) spec.layers[1].mixer = MixerKind::cross_attention;
  return spec;
}

FrequencyPlan plan() {
  FrequencyPlan out;
  out.pairs = 2;
  out.axis = {0, 0};
  out.inv_freq = {1.0f, 0.5f};
  return out;
}

std::shared_ptr<decoder::PositionEncoding> encoding(const FrequencyPlan& of_all) {
  auto out = std::make_shared<decoder::PositionEncoding>();
  out->ropes.push_back(std::make_shared<positions::RotaryCache>(of_all));
  return out;
}

ContentHash content(int number) {
  ContentHasher hasher("content");
  hasher.number(number);
  return hasher.finish();
}

Span span(SpanKind kind, int64_t begin, int64_t end, int media) {
  Span out;
  out.kind = kind;
  out.begin = begin;
  out.end = end;
  out.media = media;
  return out;
}

// 3 blocks and a bit: text, picture 0 in [10, 80), text, picture 1 in [90, 150), text.
struct Case {
  PrefixSetting setting{"f32", Compat::azimuth, "mrope"};
  Sequence sequence;
  std::vector<int32_t> ids;
  MediaKeys media{{content(0), content(1)}, {}};

  explicit Case(const TextSpec& spec = text_spec(), decoder::KeyStorage keys = decoder::KeyStorage::rotated)
      : sequence{{}, {}, {}, encoding(plan()), decoder::CacheState(spec, keys)} {
    constexpr int64_t kTokens = 3 * kBlock + 9;
    for (int64_t i = 0; i < kTokens; ++i) ids.push_back(static_cast<int32_t>(i % 50));
    sequence.prompt.ids = ids;
    sequence.prompt.spans = {span(SpanKind::text, 0, 10, -1), span(SpanKind::image, 10, 80, 0),
                             span(SpanKind::text, 80, 90, -1), span(SpanKind::image, 90, 150, 1),
                             span(SpanKind::text, 150, kTokens, -1)};
    for (int set = 0; set < 2; ++set) {
      PositionSet& positions = sequence.positions.sets.emplace_back();
      positions.axes = 3;
      for (int64_t i = 0; i < 3 * kTokens; ++i) positions.ids.push_back(static_cast<float>(i));
      positions.next_decode = kTokens;
    }
    sequence.positions.set_of_layer = {0, 1};
  }

  PrefixChain chain() const { return prefix_chain(setting, sequence, ids, media); }

  // As if the tokens had gone through the decoder: keys and values of token i are first + i.
  void fill(float first, int64_t tokens) {
    for (int i = 0; i < sequence.cache.layers(); ++i) {
      decoder::LayerCache& layer = sequence.cache.layer(i);
      if (layer.recurrent) {
        auto state = std::make_shared<decoder::RecurrentState>(*layer.recurrent);
        state->length = tokens;
        state->memory[0] = first;
        layer.recurrent = std::move(state);
        continue;
      }
      const bool outside = sequence.cache.layer_spec(i).mixer == MixerKind::cross_attention;
      for (int64_t token = layer.keys.length(); token < (outside ? 5 : tokens); ++token) {
        const std::vector<float> row(kKvHeads * kHeadDim, first + static_cast<float>(token));
        layer.keys.append(row.data(), 1, kKvHeads * kHeadDim);
        layer.values.append(row.data(), 1, kKvHeads * kHeadDim);
      }
    }
  }
};

std::vector<int64_t> ends(const PrefixChain& chain) {
  std::vector<int64_t> out;
  for (const PrefixUnit& unit : chain.units) out.push_back(unit.end);
  return out;
}

// ---- keys

TEST(PrefixChain, HasAUnitPerBlockAndATailBehindTheLastPicture) {
  const PrefixChain chain = Case().chain();
  EXPECT_EQ(ends(chain), (std::vector<int64_t>{64, 128, 192}));
  ASSERT_TRUE(chain.tail);
  EXPECT_EQ(chain.tail->begin, 128);
  EXPECT_EQ(chain.tail->end, 150);
  EXPECT_EQ(ends(chain.up_to(150)), (std::vector<int64_t>{64, 128}));
  EXPECT_TRUE(chain.up_to(150).tail);
  EXPECT_FALSE(chain.up_to(149).tail);
  EXPECT_EQ(chain.parts()[2].end, 150);
}

TEST(PrefixChain, NoUnitEndsWithinAClosedRegion) {
  Case one;
  one.sequence.prompt.closed_regions = {{10, 80}, {90, 150}};
  EXPECT_EQ(ends(one.chain()), (std::vector<int64_t>{192}));
  ASSERT_TRUE(one.chain().tail);
  EXPECT_EQ(one.chain().tail->begin, 0);
  one.sequence.prompt.closed_regions = {{0, 64}, {64, 128}};
  EXPECT_EQ(ends(one.chain()), (std::vector<int64_t>{64, 128, 192})) << "a region may end where a block does";
  one.sequence.prompt.closed_regions = {{0, static_cast<int64_t>(one.ids.size())}};
  EXPECT_TRUE(one.chain().units.empty());
  EXPECT_FALSE(one.chain().tail);
}

TEST(PrefixChain, GoesOnThroughGeneratedTokens) {
  Case one;
  one.ids.resize(static_cast<size_t>(4 * kBlock), 7);
  EXPECT_EQ(ends(one.chain()), (std::vector<int64_t>{64, 128, 192, 256}));
  // The same tokens at the same positions as a prompt.
  Case longer;
  longer.ids = longer.sequence.prompt.ids = one.ids;
  for (PositionSet& set : longer.sequence.positions.sets) {
    for (int64_t step = 0; set.tokens() < 4 * kBlock; ++step) {
      std::vector<float> id(3);
      one.sequence.positions.sets[0].decode_ids(step, id.data());
      set.ids.insert(set.ids.end(), id.begin(), id.end());
    }
  }
  EXPECT_EQ(longer.chain().units.back().key, one.chain().units.back().key);
  longer.sequence.positions.sets[1].ids.back() += 1.0f;
  EXPECT_NE(longer.chain().units.back().key, one.chain().units.back().key);
}

// Whatever the keys and values of a token in block 1 depend on changes its key, and leaves block 0's alone where that
// does not depend on it.
TEST(PrefixChain, EveryIngredientChangesTheKey) {
  const PrefixChain own = Case().chain();
  const auto changed = [&](const std::string& what, bool from_the_start, const std::function<void(Case&)>& change) {
    Case other;
    change(other);
    const PrefixChain chain = other.chain();
    ASSERT_GE(chain.units.size(), 2u) << what;
    EXPECT_NE(chain.units[1].key, own.units[1].key) << what;
    EXPECT_EQ(chain.units[0].key != own.units[0].key, from_the_start) << what;
    ASSERT_TRUE(chain.tail && own.tail);
    EXPECT_NE(chain.tail->key, own.tail->key) << what << ": keys hold all tokens before them";
  };
  changed("dtype", true, [](Case& c) { c.setting.dtype = "bf16"; });
  changed("compat", true, [](Case& c) { c.setting.compat = Compat::tf5; });
  changed("policy", true, [](Case& c) { c.setting.policy = "mrope:x=1"; });
  changed("frequencies", true, [](Case& c) {
    FrequencyPlan other = plan();
    other.inv_freq[1] = 0.25f;
    c.sequence.encoding = encoding(other);
  });
  changed("axis of a pair", true, [](Case& c) {
    FrequencyPlan other = plan();
    other.axis[1] = 1;
    c.sequence.encoding = encoding(other);
  });
  changed("attention scale", true, [](Case& c) {
    FrequencyPlan other = plan();
    other.attention_scale = 1.5f;
    c.sequence.encoding = encoding(other);
  });
  changed("pairing", true, [](Case& c) {
    FrequencyPlan other = plan();
    other.pairing = Pairing::interleaved;
    c.sequence.encoding = encoding(other);
  });
  changed("key storage", true,
          [](Case& c) { c.sequence.cache = decoder::CacheState(text_spec(), decoder::KeyStorage::raw); });
  changed("id set of a layer", true, [](Case& c) { c.sequence.positions.set_of_layer = {1, 0}; });
  changed("a token", false, [](Case& c) { c.ids[kBlock] += 1; });
  changed("a position of the first set", false, [](Case& c) { c.sequence.positions.sets[0].ids[3 * 100 + 2] += 0.5f; });
  changed("a position of the second set", false, [](Case& c) { c.sequence.positions.sets[1].ids[3 * 127] += 0.5f; });
  changed("the second picture", false, [](Case& c) { c.media.images[1] = content(2); });
  changed("the order of the pictures", true, [](Case& c) { std::swap(c.media.images[0], c.media.images[1]); });
  changed("which rows of a picture", false, [](Case& c) { c.sequence.prompt.spans[3].media = 0; });
  changed("the kind of medium", false, [](Case& c) {
    c.sequence.prompt.spans[3].kind = SpanKind::video;
    c.sequence.prompt.spans[3].media = 0;
    c.media.videos = {content(9)};
  });
  changed("where a picture begins", false,
          [](Case& c) { c.sequence.prompt.spans[2].end = c.sequence.prompt.spans[3].begin = 91; });
  changed("a region", false, [](Case& c) { c.sequence.prompt.closed_regions = {{90, 100}}; });
  changed("the end of a region", false, [](Case& c) { c.sequence.prompt.closed_regions = {{90, 128}}; });
}

// Tokens in front of a picture outside of the sequence see it, and those of a prompt with pictures may have other rows.
TEST(PrefixChain, PicturesOutsideChangeAllKeys) {
  Case own;
  Case other;
  other.media.images[1] = content(2);
  for (Case* const each : {&own, &other}) {
    for (Span& part : each->sequence.prompt.spans) part.delivery = Delivery::cross;
  }
  EXPECT_NE(own.chain().units[0].key, other.chain().units[0].key);
  Case text;
  Case nothing;
  nothing.media.images.clear();
  for (Case* const each : {&text, &nothing}) {
    each->sequence.prompt.spans = {span(SpanKind::text, 0, static_cast<int64_t>(each->ids.size()), -1)};
  }
  EXPECT_NE(text.chain().units[0].key, nothing.chain().units[0].key);
}

// ---- what is kept

constexpr size_t kPlenty = size_t{1} << 20;

// Values of the first row of every token in layer `index`.
std::vector<float> rows(const decoder::CacheState& cache, int index) {
  std::vector<float> out;
  const decoder::LayerCache& layer = cache.layer(index);
  for (int64_t i = 0; i < layer.keys.length(); ++i) {
    float key[kHeadDim], value[kHeadDim];
    layer.keys.read(1, i, key);
    layer.values.read(0, i, value);
    EXPECT_EQ(key[0], value[0]);
    out.push_back(key[0]);
  }
  return out;
}

TEST(PrefixCache, GivesBackTheLongestStartThatIsKnown) {
  Case one;
  one.fill(1000.0f, 3 * kBlock + 5);
  PrefixCache cache(kPlenty);
  cache.keep(one.chain(), one.sequence.cache);
  for (const auto& [limit, tokens] :
       std::map<int64_t, int64_t>{{200, 192}, {192, 192}, {191, 150}, {149, 128}, {1, 0}}) {
    decoder::CacheState found(text_spec());
    EXPECT_EQ(cache.take(one.chain(), limit, found), tokens) << limit;
    EXPECT_EQ(found.length(), tokens) << limit;
    for (int layer = 0; layer < 2; ++layer) {
      std::vector<float> expected = rows(one.sequence.cache, layer);
      expected.resize(static_cast<size_t>(tokens));
      EXPECT_EQ(rows(found, layer), expected) << limit;
    }
  }
}

// Another question about the same pictures: what is behind them differs.
TEST(PrefixCache, AnotherQuestionGoesOnBehindThePicture) {
  Case one;
  one.fill(1000.0f, 3 * kBlock + 9);
  PrefixCache cache(kPlenty);
  cache.keep(one.chain(), one.sequence.cache);
  Case other;
  other.ids[150] = other.sequence.prompt.ids[150] = 49;
  decoder::CacheState found(text_spec());
  EXPECT_EQ(cache.take(other.chain(), 200, found), 150);
  // Whoever writes on leaves what is kept, and the first sequence, as they were.
  other.sequence.cache = found;
  other.fill(5000.0f, 170);
  EXPECT_EQ(rows(one.sequence.cache, 0)[160], 1160.0f);
  EXPECT_EQ(rows(other.sequence.cache, 0)[160], 5160.0f);
  one.fill(7000.0f, 3 * kBlock + 20);
  decoder::CacheState again(text_spec());
  EXPECT_EQ(cache.take(one.chain(), 200, again), 192);
  EXPECT_EQ(rows(again, 1)[160], 1160.0f);
}

TEST(PrefixCache, KeepsToItsBoundAndForgetsEndsFirst) {
  Case one;
  one.fill(0.0f, 3 * kBlock);
  PrefixCache large(kPlenty);
  large.keep(one.chain(), one.sequence.cache);
  const size_t unit = large.bytes() / 4;  // three units and a tail, which holds a block, too
  PrefixCache cache(2 * unit + unit / 2);
  cache.keep(one.chain(), one.sequence.cache);
  EXPECT_LE(cache.bytes(), 2 * unit + unit / 2);
  decoder::CacheState found(text_spec());
  EXPECT_EQ(cache.take(one.chain(), 200, found), 128);
  // The start of another sequence takes the place of what was used least recently.
  Case other;
  other.setting.dtype = "bf16";
  other.fill(0.0f, kBlock);
  cache.keep(other.chain(), other.sequence.cache);
  EXPECT_LE(cache.bytes(), 2 * unit + unit / 2);
  decoder::CacheState first(text_spec());
  decoder::CacheState second(text_spec());
  EXPECT_EQ(cache.take(one.chain(), 200, first), 64);
  EXPECT_EQ(cache.take(other.chain(), 200, second), 64);
  PrefixCache none(0);
  none.keep(one.chain(), one.sequence.cache);
  EXPECT_EQ(none.bytes(), 0u);
}

// Recurrent states lead on only from where they were kept.
TEST(PrefixCache, LinearAttentionGoesOnWhereItWasLookedAt) {
  const TextSpec spec = text_spec(true);
  Case one(spec);
  EXPECT_EQ(snapshot_stops(one.chain(), one.sequence.prompt), (std::vector<int64_t>{150, 192}));
  PrefixCache cache(kPlenty);
  for (const int64_t tokens : {140, 150, 192, 201}) {
    one.fill(static_cast<float>(tokens), tokens);
    cache.keep(one.chain(), one.sequence.cache);
  }
  for (const auto& [limit, tokens] : std::map<int64_t, int64_t>{{200, 192}, {191, 150}, {149, 0}}) {
    decoder::CacheState found(spec);
    ASSERT_EQ(cache.take(one.chain(), limit, found), tokens) << limit;
    EXPECT_EQ(found.layer(1).keys.length(), tokens);
    EXPECT_EQ(found.layer(0).recurrent->length, tokens);
    EXPECT_EQ(found.layer(0).recurrent->memory[0], static_cast<float>(tokens));
  }
  // Blocks beyond the last common token are of no use, but the states behind the picture are.
  Case other(spec);
  other.ids[155] = 49;
  decoder::CacheState found(spec);
  EXPECT_EQ(cache.take(other.chain(), 200, found), 150);
}

TEST(PrefixCache, FeaturesOutsideComeAlongWhole) {
  const TextSpec spec = text_spec(false, true);
  Case one(spec);
  one.fill(100.0f, 3 * kBlock);
  PrefixCache cache(kPlenty);
  cache.keep(one.chain(), one.sequence.cache);
  decoder::CacheState found(spec);
  EXPECT_EQ(cache.take(one.chain(), 130, found), 128);
  EXPECT_EQ(found.layer(0).keys.length(), 128);
  EXPECT_EQ(rows(found, 1), (std::vector<float>{100, 101, 102, 103, 104}));
  decoder::CacheState none(spec);
  EXPECT_EQ(cache.take(one.chain(), 5, none), 0);
  EXPECT_EQ(none.layer(1).keys.length(), 0);
}

// A term with segments leaves keys behind, which nobody could find again.
TEST(PrefixCache, CachesThatBeginLaterAreNotKept) {
  Case one;
  one.fill(0.0f, 3 * kBlock);
  one.sequence.cache.layer(1).first = 10;
  PrefixCache cache(kPlenty);
  cache.keep(one.chain(), one.sequence.cache);
  EXPECT_EQ(cache.bytes(), 0u);
}

}  // namespace
}  // namespace azimuth::engine
