// The list of checks, with what each finding may cause and the published failure that it matches. Sources: Huang et al.
// (arXiv 2510.23095) for scores of policies and of their ablations, and docs/positions.md, sections 5, 6 and 9.
#include "positions/lint/outcome.h"

namespace azimuth::positions::lint {

const std::vector<Check>& all_checks() {
  using enum LintGuideline;
  static const std::vector<Check> checks = {
      {"injective", coherence, check_injective,
       "Cells with the same coordinates cannot be told apart by position, only by content.",
       "CircleRoPE with alpha 1 puts the cells of a ray on one point; Qwen2.5-VL's truncated time gives slow videos "
       "equal frames."},
      {"lattice", coherence, check_lattice,
       "Where the picture is laid out flat, one row down is as many ids as the picture is wide: what was learned at "
       "one "
       "width does not hold at another.",
       "Flat ids score 65.69 on images and 73.48 on grounding, rows and columns of their own 66.65 and 75.85."},
      {"growth", coherence, check_growth,
       "Long prompts leave the trained range of positions early and need more stretching of the spectrum.",
       "Vanilla ids grow with the area of a picture and need a larger YaRN factor than ids that grow with its side."},
      {"future_overlap", coherence, check_future_overlap,
       "Text that is generated later passes through coordinates of the picture: answers copy or repeat themselves.",
       "VideoRoPE's diagonal layout: DocVQA falls from 82.94 to 60.13, with endless \"1111...\"; PanoRoPE's shifted "
       "tiles run past the text behind them."},
      {"past_overlap", coherence, check_past_overlap, "Cells look older than the text that introduces them.", ""},
      {"triple_collisions", coherence, check_triple_collisions, "Rotation cannot tell such a cell from a text token.",
       "PanoRoPE-1D: all 16 cells of the last of eight tiles lie on text positions."},
      {"interval", coherence, check_interval,
       "Too small, and picture and text blur into each other; too large, and text attends less to the picture.",
       "A large modality interval costs 3 points on images: 62.80 against 65.87."},
      {"cross_block", coherence, check_cross_block, "The model may take one picture for another.", ""},
      {"coverage", spectrum, check_coverage,
       "An axis without slow pairs loses sight of far distances (long videos); one without fast pairs cannot tell "
       "neighbours apart (grounding).",
       "M-RoPE gives time only fast pairs and rows and columns different ones; with the same ids, chunked and "
       "VideoRoPE-like plans score below an interleaved one (63.31 against 64.95 overall)."},
      {"share", spectrum, check_share, "An axis with few pairs is seen coarsely.",
       "HoPE turns the pairs of time off; its order of frames is left to the causal mask."},
      {"aliasing", spectrum, check_aliasing,
       "Beyond the longest wavelength of its pairs, distances on that axis repeat.",
       "M-RoPE's time turns in fast pairs only, which hurts long videos."},
      {"text_prior_ids", text_prior, check_text_prior_ids,
       "What the language model learned about order in text no longer holds.",
       "Text with other ids than the base model's (\"text spatial-reset\") falls to 58.27 on images from 66.65."},
      {"text_text0", text_prior, check_text_text0,
       "Pairs that the language model used for order in text stand still, and later text meets the rows and columns of "
       "pictures.",
       "Text spatial-reset, as described for IL-RoPE and Omni-RoPE: 58.27, 68.2 and 50.71 on images, grounding and "
       "video, from 66.65, 75.85 and 52.36."},
      {"text_integral", text_prior, check_text_integral,
       "Little by itself, as only differences turn queries and keys; a table indexed by id would not take fractions.",
       "CircleRoPE and fractional time steps leave all later text at fractions."},
      {"text_freq", text_prior, check_text_freq,
       "The same distance between two words is another angle than the language model learned.",
       "A scaled base scores 60.15 on images against 66.65 (grounding 74.13, video 52.11)."},
      {"monotone", none, check_monotone,
       "Attention reads the order of tokens from their ids: later text looks earlier than what it follows.",
       "transformers 5 places text after a long video inside of the video's time; PanoRoPE-1D leaves text behind its "
       "tiles."},
      {"gaps:strict", none, check_strict_gaps, "Code that expects ids to be the running index goes wrong.", ""},
      {"dtype", none, check_dtype, "Neighbouring tokens get the same rotation.",
       "bf16 cannot tell 257 from 256; saturated angles in mixed precision."},
      {"range", none, check_range, "Beyond the trained range, rotary models lose coherence and tables have no row.",
       ""},
      {"batch", none, check_batch, "Answers depend on what else is in the batch.",
       "ARR-COC scales a picture's scores over the whole batch."},
      {"cache", none, check_cache,
       "Generated text does not go on where the prompt ended, or a continued conversation gives other answers than a "
       "new one with the same text.",
       "transformers 5 decodes from another place than its prompt's text ends after a long video; CircleRoPE's release "
       "decodes with the circle's ids in every layer; dynamic NTK leaves cached keys as they were rotated."},
      {"per_image", none, check_per_image, "Features land in the wrong picture's place.",
       "Gemma 4's image_position_ids, indexed by sample instead of by image, in trainers."},
      {"allocation", none, check_allocation, "An axis gets fewer pairs than the checkpoint was trained with.",
       "The interleaved plan of the references cuts such a section without a word."},
      {"attention_sink", none, check_attention_sink,
       "Models attend to the top-left cell of a picture as to a first token; at large ids it attracts less, and less "
       "attention goes to the picture.",
       "M-RoPE without spatial reset: 65.87 on images, with it 66.65."},
  };
  return checks;
}

}  // namespace azimuth::positions::lint
