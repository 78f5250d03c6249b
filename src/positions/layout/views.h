// Where a layout is within the views of a panorama.
#pragma once

#include <algorithm>

#include "azimuth/positions.h"

namespace azimuth::positions {

// A view begins: the first one fixes where the region starts.
inline void enter_view(const Span& span, LayoutRun& run) {
  if (span.view == 0 || run.views != span.views) {
    run.region_start = run.next_text;
    run.region_rows = run.region_columns = 0;
  }
  run.view = span.view;
  run.views = span.views;
  run.region_rows = std::max(run.region_rows, span.grid.h);
  run.region_columns = std::max(run.region_columns, span.grid.w);
}

// True between the first and the last view of a panorama.
inline bool between_views(const LayoutRun& run) {
  return run.views > 0 && run.view + 1 < run.views;
}

// Number of the tile that the span is, from 0; -1 for the global view and for pictures that are no view.
inline int tile_of(const Span& span) {
  return span.views > 1 && !span.global_view ? span.view - 1 : -1;
}

}  // namespace azimuth::positions
