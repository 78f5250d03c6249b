const data = JSON.parse(document.getElementById('data').textContent);
const AXES = ['t', 'h', 'w'];
const ROW = 28;  // pixels of a list row, as in the style

// ---------------------------------------------------------------------------------------------------------------------
// The reports, in a form that is quick to ask.

class Report {
  constructor(raw) {
    this.raw = raw;
    this.policy = raw.policy;
    this.axes = raw.axes;
    this.tokens = raw.tokens;
    this.sets = raw.sets ?? [{position: raw.tokens.map(token => token.position), overlap: raw.tokens.map(token => token.overlap),
      next_text: raw.next_text, next_decode: raw.next_decode}];
    this.axisNames = this.axes === 1 ? ['position'] : [...Array(this.axes).keys()].map(a => AXES[a] ?? `axis ${a}`);
  }
  get set() { return Math.min(state.set, this.sets.length - 1); }
  get ids() { return this.sets[this.set].position; }
  axis() { return Math.min(state.axis, this.axes - 1); }
  overlap(token) { return this.sets[this.set].overlap[token]; }
  overlapText(token) {
    const overlap = this.overlap(token);
    if (!overlap) return '';
    const names = axes => axes.map(axis => this.axisNames[axis]).join(', ');
    const parts = [];
    if (overlap.ahead.length) parts.push(`${names(overlap.ahead)} not below the text that follows`);
    if (overlap.shared.length) parts.push(`${names(overlap.shared)} shared with a text token`);
    return parts.join('; ');
  }
  idsText(token) {
    return this.axes === 1 ? `position ${number(this.ids[token][0])}`
      : this.axisNames.map((name, axis) => `${name} ${number(this.ids[token][axis])}`).join('  ');
  }
  // Smallest and largest id on `axis` of tokens [begin, end).
  extent(axis, begin, end) {
    let low = Infinity;
    let high = -Infinity;
    for (let token = begin; token < end; ++token) {
      const id = this.ids[token][axis];
      if (id < low) low = id;
      if (id > high) high = id;
    }
    return [low, high];
  }
}

const state = {
  token: Math.max(0, Number(address.get('token')) || 0),
  axis: Math.max(0, AXES.indexOf(address.get('axis') ?? '')),
  set: Number(address.get('set')) || 0,
  zoom: Number(address.get('zoom')) || 1,
  alpha: 0.72,
  range: 'picture',
  view: [0, 1],
};
const reports = data.reports.map(raw => new Report(raw));
const main = reports[0];
const tokens = main.tokens;
const spans = main.raw.spans;
const grids = spans.map(spanGrid);
const twoPolicies = reports.length > 1;
state.token = Math.min(state.token, Math.max(0, tokens.length - 1));
state.view = [0, Math.max(1, tokens.length)];
if (!address.has('axis')) state.axis = widestAxis();

// The axis on which the cells of a picture differ most: the one worth seeing first.
function widestAxis() {
  const spread = axis => Math.max(0, ...spans.filter(span => span.kind !== 'text').map(span => {
    const [low, high] = main.extent(axis, span.begin, span.end);
    return high - low;
  }));
  return main.axisNames.reduce((best, _, axis) => (spread(axis) > spread(best) ? axis : best), 0);
}

function spanName(span) {
  if (span.kind === 'text') return 'text';
  return `${span.kind} ${span.media}${span.tile ? ` tile ${span.tile}` : ''}${span.view ? ` view ${span.view}` : ''}`;
}
const spanOf = token => tokens[token].span;

function placeText(token) {
  const index = spanOf(token);
  const span = spans[index];
  if (span.kind === 'text') return 'text';
  const cell = grids[index].cell(token);
  if (!cell) return spanName(span);
  const frame = grids[index].frames > 1 ? `, frame ${cell.frame}` : '';
  return `${spanName(span)}${frame}, row ${cell.row}, column ${cell.column}`;
}
function tokenLabel(token, report) {
  const lines = [`token ${token}, ${placeText(token)}`];
  for (const each of report ? [report] : reports) {
    lines.push((twoPolicies ? `${each.policy}: ` : '') + each.idsText(token));
    if (each.overlap(token)) lines.push(`overlap: ${each.overlapText(token)}`);
  }
  return lines.join('\n');
}

// ---------------------------------------------------------------------------------------------------------------------
// What is chosen, everywhere at once.

const parts = [];  // each has choose(from) and redraw()
let lastChosen = -1;
function select(token, from) {
  state.token = Math.min(tokens.length - 1, Math.max(0, token));
  for (const part of parts) part.choose(from);
  writeNow();
  lastChosen = state.token;
}
function redraw() {
  for (const part of parts) part.redraw();
  writeNow();
}

function writeNow() {
  const now = document.getElementById('now');
  if (tokens.length === 0) return;
  const token = tokens[state.token];
  now.replaceChildren(
    el('span', {}, 'token ', el('b', {'data-now': 'index'}, String(state.token))),
    el('span', {class: 'text', 'data-now': 'text'}, visible(token.text)),
    el('span', {}, 'vocabulary id ', el('b', {'data-now': 'id'}, String(token.id))),
    el('span', {'data-now': 'place'}, placeText(state.token)));
  for (const report of reports) {
    const ids = el('span', {'data-now': 'ids'});
    if (twoPolicies) ids.append(`${report.policy}: `);
    report.axisNames.forEach((name, axis) => {
      ids.append(`${name} `, el('b', {'data-axis': axis}, number(report.ids[state.token][axis])), ' ');
    });
    now.append(ids);
    if (report.overlap(state.token)) now.append(el('span', {class: 'alarm'}, `overlap: ${report.overlapText(state.token)}`));
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Heading.

function writeFacts() {
  const facts = document.getElementById('facts');
  facts.replaceChildren();
  const fact = (name, value) => facts.append(el('li', {}, `${name} `, el('b', {}, value)));
  if (data.model) fact('model', data.model);
  fact('tokens', count(tokens.length));
  const visual = spans.filter(span => span.kind !== 'text').reduce((sum, span) => sum + span.end - span.begin, 0);
  fact('of pictures', count(visual));
  for (const report of reports) {
    const marked = tokens.reduce((sum, _, token) => sum + (report.overlap(token) ? 1 : 0), 0);
    const bold = text => el('b', {}, text);
    facts.append(el('li', {class: 'policy'}, 'policy ', bold(report.policy), ': next text id ', bold(number(report.sets[report.set].next_text)),
      ', first generated id ', bold(number(report.sets[report.set].next_decode)), ', ', bold(count(marked)), ' overlapping tokens', ...findingCount(report)));
  }
}

// How much the linter says, as a link to it.
function findingCount(report) {
  const findings = report.raw.findings ?? [];
  const of = severity => findings.filter(finding => finding.severity === severity).length;
  const words = ['error', 'warning'].filter(of).map(severity => `${of(severity)} ${severity}${of(severity) > 1 ? 's' : ''} of the linter`);
  return words.length ? [', ', el('a', {href: '#findings'}, words.join(', '))] : [];
}

// ---------------------------------------------------------------------------------------------------------------------
// Overview: ids over token index.

class Overview {
  constructor(report) {
    this.report = report;
    this.canvas = el('canvas', {'aria-hidden': 'true'});
    this.box = el('div', {class: 'strip', tabindex: '0', role: 'slider', 'aria-label': `Ids over tokens, ${report.policy}`,
      'aria-valuemin': 0, 'aria-valuemax': Math.max(0, tokens.length - 1), 'aria-orientation': 'horizontal',
      onkeydown: event => this.onKey(event), onblur: hideTip}, this.canvas);
    this.canvas.addEventListener('pointermove', event => this.onMove(event));
    this.canvas.addEventListener('pointerleave', () => hideTip());
    this.canvas.addEventListener('pointerdown', event => this.onDown(event));
    this.canvas.addEventListener('pointerup', event => this.onUp(event));
    document.getElementById('overview').append(this.box);
    parts.push(this);
  }

  get plot() { return {left: 52, right: this.width - 14, top: 12, bottom: this.height - 34}; }
  x(index) {
    const {left, right} = this.plot;
    return left + (index - state.view[0]) / (state.view[1] - state.view[0]) * (right - left);
  }
  y(id) {
    const {top, bottom} = this.plot;
    const [low, high] = this.extent;
    return high > low ? bottom - (id - low) / (high - low) * (bottom - top) : (top + bottom) / 2;
  }
  tokenAt(x) {
    const {left, right} = this.plot;
    const share = Math.min(1, Math.max(0, (x - left) / (right - left)));
    return Math.min(tokens.length - 1, Math.floor(state.view[0] + share * (state.view[1] - state.view[0])));
  }

  redraw() {
    this.width = this.box.clientWidth;
    this.height = twoPolicies ? 140 : 170;
    this.extent = [Infinity, -Infinity];
    for (let axis = 0; axis < this.report.axes; ++axis) {
      const [low, high] = this.report.extent(axis, Math.floor(state.view[0]), Math.ceil(state.view[1]));
      this.extent = [Math.min(this.extent[0], low), Math.max(this.extent[1], high)];
    }
    this.drawLayers();
  }
  choose() {
    const [begin, end] = state.view;
    if (state.token < begin || state.token >= end) {
      const half = (end - begin) / 2;
      const first = Math.min(tokens.length - 2 * half, Math.max(0, state.token - half));
      state.view = [first, first + 2 * half];
      this.redraw();
    }
    this.drawLayers();
    this.box.setAttribute('aria-valuenow', state.token);
    this.box.setAttribute('aria-valuetext', tokenLabel(state.token, this.report));
  }

  drawLayers() {
    const context = sharpen(this.canvas, this.width, this.height);
    context.font = '12px system-ui, "Noto Sans", "DejaVu Sans", sans-serif';
    this.drawBands(context);
    this.drawFrame(context);
    this.drawIds(context);
    this.drawOverlaps(context);
    this.drawChosen(context);
  }

  drawBands(context) {
    const {top, bottom, left, right} = this.plot;
    const seen = spans.filter(span => span.kind !== 'text' && span.end > state.view[0] && span.begin < state.view[1]);
    context.fillStyle = cssColor('--band');
    for (const span of seen) {
      const x = Math.max(left, this.x(span.begin));
      context.fillRect(x, top - 8, Math.max(1, Math.min(right, this.x(span.end)) - x), bottom - top + 8);
    }
    context.fillStyle = cssColor('--quiet');
    context.textAlign = 'left';
    let free = -Infinity;  // names must not touch
    for (const span of seen) {
      // A video has many spans; its name may run over all of them.
      const last = spans.findLast(each => each.kind === span.kind && each.media === span.media);
      const x = Math.max(left, this.x(span.begin));
      const width = context.measureText(spanName(span)).width;
      if (x <= free || width > Math.min(right, this.x(last.end)) - x - 4) continue;
      context.fillText(spanName(span), x + 4, top + 4);
      free = span.kind === 'video' ? this.x(last.end) : x + width + 8;
    }
  }

  drawFrame(context) {
    const {left, right, top, bottom} = this.plot;
    context.fillStyle = cssColor('--quiet');
    context.textAlign = 'right';
    context.textBaseline = 'middle';
    const [low, high] = this.extent;
    if (Number.isFinite(low)) {
      for (const id of low === high ? [low] : [low, (low + high) / 2, high]) {
        context.fillText(number(high - low > 4 ? Math.round(id) : Math.round(id * 100) / 100), left - 8, this.y(id));
      }
    }
    context.textAlign = 'center';
    context.textBaseline = 'alphabetic';
    const [begin, end] = state.view;
    const step = niceStep((end - begin) / Math.max(2, (right - left) / 90));
    for (let index = Math.ceil(begin / step) * step; index < end; index += step) {
      const x = this.x(index);
      context.fillRect(Math.round(x), bottom + 8, 1, 4);
      context.fillText(count(index), Math.min(right - 8, x), bottom + 26);
    }
    context.fillStyle = cssColor('--line');
    context.fillRect(left, bottom + 8, right - left, 1);
  }

  // One vertical stroke per pixel column: from the smallest to the largest id of the tokens in it.
  drawIds(context) {
    const {left, right} = this.plot;
    const [begin, end] = state.view;
    const perToken = (right - left) / (end - begin);
    const chosenAxis = this.report.axis();
    const order = [...Array(this.report.axes).keys()].filter(axis => axis !== chosenAxis).concat(chosenAxis);
    for (const axis of order) {
      const color = this.report.axes === 1 ? cssColor('--axis-0') : cssColor(`--axis-${axis}`);
      const neutral = cssColor('--axis-text');
      context.globalAlpha = axis === chosenAxis ? 1 : 0.45;
      const columns = perToken >= 1 ? end - begin : right - left;
      for (let i = 0; i < columns; ++i) {
        const from = Math.floor(begin + (perToken >= 1 ? i : i / perToken));
        const to = Math.min(tokens.length, Math.max(from + 1, Math.floor(begin + (perToken >= 1 ? i + 1 : (i + 1) / perToken))));
        if (from >= tokens.length) break;
        const [low, high] = this.report.extent(axis, from, to);
        const text = spans[spanOf(from)].kind === 'text';
        const x = this.x(from);
        context.fillStyle = text && this.report.axes > 1 ? neutral : color;
        const thick = axis === chosenAxis ? 3 : 2;
        context.fillRect(x, this.y(high) - thick / 2, Math.max(1, perToken - (perToken > 6 ? 1 : 0)),
          this.y(low) - this.y(high) + thick);
      }
    }
    context.globalAlpha = 1;
  }

  drawOverlaps(context) {
    const {bottom, left, right} = this.plot;
    const perToken = (right - left) / (state.view[1] - state.view[0]);
    context.fillStyle = cssColor('--alarm');
    for (let token = Math.floor(state.view[0]); token < Math.min(state.view[1], tokens.length); ++token) {
      if (this.report.overlap(token)) context.fillRect(this.x(token), bottom + 3, Math.max(1, perToken), 4);
    }
  }

  drawChosen(context) {
    if (tokens.length === 0) return;
    const {left, right, top, bottom} = this.plot;
    const x = Math.min(right, Math.max(left, this.x(state.token + 0.5)));
    context.fillStyle = cssColor('--focus');
    context.fillRect(x - 0.75, top - 8, 1.5, bottom - top + 20);
    context.beginPath();
    context.arc(x, bottom + 12, 4, 0, 2 * Math.PI);
    context.fill();
    if (this.dragFrom !== undefined && Math.abs(this.dragTo - this.dragFrom) > 4) {
      context.globalAlpha = 0.15;
      context.fillRect(Math.min(this.dragFrom, this.dragTo), top - 8, Math.abs(this.dragTo - this.dragFrom), bottom - top + 16);
      context.globalAlpha = 1;
    }
  }

  onMove(event) {
    showTip(tokenLabel(this.tokenAt(event.offsetX), this.report), event.clientX, event.clientY);
    if (this.dragFrom === undefined) return;
    this.dragTo = event.offsetX;
    this.drawLayers();
  }
  onDown(event) {
    this.dragFrom = this.dragTo = event.offsetX;
    this.canvas.setPointerCapture(event.pointerId);
  }
  onUp(event) {
    const [from, to] = [this.dragFrom, event.offsetX];
    this.dragFrom = undefined;
    if (from !== undefined && Math.abs(to - from) > 4) zoomTo(this.tokenAt(Math.min(from, to)), this.tokenAt(Math.max(from, to)) + 1);
    else select(this.tokenAt(event.offsetX), this);
  }
  onKey(event) {
    const page = Math.max(1, Math.round((state.view[1] - state.view[0]) / 10));
    const moves = {ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: -page, PageDown: page,
      Home: -tokens.length, End: tokens.length};
    if (event.altKey || event.metaKey) return;
    if (event.key in moves) {
      event.preventDefault();
      select(state.token + moves[event.key], this);
      const box = this.canvas.getBoundingClientRect();
      showTip(tokenLabel(state.token, this.report), box.left + this.x(state.token + 0.5), box.top + this.plot.top);
    } else if (event.key === '+' || event.key === '=') zoomBy(0.5);
    else if (event.key === '-' || event.key === '−') zoomBy(2);
    else if (event.key === '0') zoomTo(0, tokens.length);
    else if (event.key === 'Escape') hideTip();
  }
}

function niceStep(wanted) {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, wanted)));
  return Math.max(1, [1, 2, 5, 10].map(factor => factor * power).find(step => step >= wanted));
}
function zoomTo(begin, end) {
  const least = Math.min(tokens.length, 8);
  const width = Math.max(least, Math.min(tokens.length, end - begin));
  const first = Math.round(Math.min(tokens.length - width, Math.max(0, begin)));
  state.view = [first, first + Math.round(width)];
  for (const part of parts) if (part instanceof Overview) part.redraw();
}
function zoomBy(factor) {
  const width = (state.view[1] - state.view[0]) * factor;
  zoomTo(state.token - width / 2, state.token + width / 2);
}

function makeOverview() {
  const bar = document.getElementById('overview-bar');
  const axisOwner = reports.reduce((a, b) => (b.axes > a.axes ? b : a));
  if (axisOwner.axes > 1) {
    bar.append(choices('Axis', 'axis', axisOwner.axisNames.map((name, axis) => [axis, name]), state.axis, axis => {
      state.axis = axis;
      redraw();
    }));
  }
  const sets = Math.max(...reports.map(report => report.sets.length));
  if (sets > 1) {
    const layers = set => main.raw.set_of_layer.flatMap((each, layer) => (each === set ? [layer] : []));
    bar.append(choices('Id set', 'set', [...Array(sets).keys()].map(set => [set, `${set} (${layers(set).length} layers)`]),
      state.set, set => {
        state.set = set;
        writeFacts();
        redraw();
      }));
  }
  bar.append(el('span', {class: 'push'},
    el('button', {type: 'button', onclick: () => zoomBy(0.5)}, 'Zoom in'), ' ',
    el('button', {type: 'button', onclick: () => zoomBy(2)}, 'Zoom out'), ' ',
    el('button', {type: 'button', onclick: () => zoomTo(0, tokens.length)}, 'Whole prompt')));
  for (const report of reports) {
    if (twoPolicies) document.getElementById('overview').append(el('h3', {}, report.policy));
    new Overview(report);
  }
  const key = document.getElementById('overview-key');
  const entry = (name, color) => {
    const line = el('i');
    line.style.background = `var(${color})`;
    key.append(el('span', {class: 'key'}, line, name));
  };
  if (axisOwner.axes > 1) {
    entry('text, all axes', '--axis-text');
    axisOwner.axisNames.forEach((name, axis) => entry(name, `--axis-${axis}`));
  } else entry('position', '--axis-0');
  if (reports.some(report => tokens.some((_, token) => report.overlap(token)))) {
    key.append(el('span', {class: 'key'}, el('i', {class: 'mark'}), 'ids of a picture that overlap with text'));
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// The list. Only the rows in sight exist, so that its length does not matter.

class TokenList {
  constructor() {
    this.open = new Set();
    this.body = el('div', {class: 'body', role: 'presentation'});
    this.head = el('div', {class: 'head-rows', role: 'rowgroup'});
    this.box = el('div', {class: 'list', tabindex: '0', role: 'treegrid', 'aria-label': 'Tokens of the prompt',
      onkeydown: event => this.onKey(event), onscroll: () => this.fill()}, this.head, this.body);
    this.body.addEventListener('click', event => this.onClick(event));
    document.getElementById('list').append(this.box);
    this.build();
    parts.push(this);
  }

  build() {
    this.items = [];
    this.itemOfToken = new Int32Array(tokens.length);
    spans.forEach((span, index) => {
      const visual = span.kind !== 'text' && span.end - span.begin > 1;
      if (visual) this.items.push({span: index});
      for (let token = span.begin; token < span.end; ++token) {
        this.itemOfToken[token] = visual && !this.open.has(index) ? this.items.length - 1 : this.items.length;
        if (!visual || this.open.has(index)) this.items.push({token, inner: visual});
      }
    });
    const longest = Math.max(3, ...tokens.slice(-1).map(token => String(token.index).length));
    const widest = report => report.axisNames.map((name, axis) => {
      const [low, high] = report.extent(axis, 0, tokens.length);
      return Math.max(name.length, ...[low, high].map(id => number(id).length), Number.isInteger(low + high) ? 4 : 8);
    });
    const ids = reports.flatMap(widest).map(width => `${width + 0.5}ch`).join(' ');
    this.columns = `${longest + 1}ch minmax(7ch, 1fr) 6ch ${ids} 1.2ch`;
    this.writeHead();
    this.body.style.height = `${this.items.length * ROW}px`;
    this.box.setAttribute('aria-rowcount', this.items.length + 1);
  }

  writeHead() {
    const cell = (text, kind) => el('span', {role: 'columnheader', class: kind}, text);
    const row = el('div', {class: 'row', role: 'row', 'aria-rowindex': 1}, cell('#', 'n'), cell('token'), cell('id', 'n'));
    row.style.gridTemplateColumns = this.columns;
    for (const report of reports) for (const name of report.axisNames) row.append(cell(name, 'n'));
    row.append(el('span', {role: 'columnheader', 'aria-label': 'overlap'}));
    this.head.replaceChildren();
    if (twoPolicies) {
      const names = el('div', {class: 'row policies', 'aria-hidden': 'true'}, el('span'), el('span'), el('span'));
      names.style.gridTemplateColumns = this.columns;
      for (const report of reports) {
        const name = el('span', {class: 'n', title: report.policy}, report.policy);
        name.style.gridColumn = `span ${report.axes}`;
        names.append(name);
      }
      this.head.append(names);
    }
    this.head.append(row);
  }

  get item() { return this.itemOfToken[state.token] ?? 0; }

  fill() {
    const first = Math.max(0, Math.floor(this.box.scrollTop / ROW) - 6);
    const last = Math.min(this.items.length, Math.ceil((this.box.scrollTop + this.box.clientHeight) / ROW) + 6);
    const rows = [];
    for (let i = first; i < last; ++i) rows.push(this.row(i));
    this.body.replaceChildren(...rows);
    if (this.items.length) this.box.setAttribute('aria-activedescendant', `row-${this.item}`);
  }

  row(index) {
    const item = this.items[index];
    const chosen = index === this.item;
    const row = el('div', {class: `row${item.token === undefined ? ' span' : item.inner ? ' inner' : ''}`, role: 'row',
      id: `row-${index}`, 'aria-rowindex': index + 2, 'aria-selected': String(chosen), 'data-item': index,
      'aria-level': item.inner ? 2 : 1});
    row.style.top = `${index * ROW}px`;
    row.style.gridTemplateColumns = this.columns;
    if (item.token === undefined) this.fillSpanRow(row, item.span);
    else this.fillTokenRow(row, item.token);
    return row;
  }

  fillTokenRow(row, index) {
    const token = tokens[index];
    const cell = (text, kind, extra = {}) => row.append(el('span', {role: 'gridcell', class: kind, ...extra}, text));
    row.dataset.token = index;
    cell(String(index), 'n faint');
    cell(visible(token.text), 'text', {title: visible(token.text)});
    cell(String(token.id), 'n faint');
    reports.forEach((report, which) => {
      for (let axis = 0; axis < report.axes; ++axis) {
        const id = report.ids[index][axis];
        const differs = which > 0 && id !== main.ids[index][Math.min(axis, main.axes - 1)];
        cell(number(id), differs ? 'n differs' : 'n', {'data-id': `${which}/${axis}`});
      }
    });
    const overlaps = reports.filter(report => report.overlap(index));
    cell(overlaps.length ? '◥' : '', 'alarm', overlaps.length ? {'aria-label': 'overlap', title: overlaps.map(r => r.overlapText(index)).join('\n')} : {});
  }

  fillSpanRow(row, index) {
    const span = spans[index];
    const open = this.open.has(index);
    row.setAttribute('aria-expanded', String(open));
    row.append(el('span', {role: 'gridcell', class: 'n faint'}, String(span.begin)));
    const grid = grids[index];
    const [t, h, w] = span.grid;
    const shape = grid.drawable ? `${t > 1 ? `${t} frames of ` : ''}${h} × ${w}` : `${span.end - span.begin} tokens`;
    const ranges = reports.map(report => (twoPolicies ? `${report.policy}: ` : '') + report.axisNames.map((name, axis) => {
      const [low, high] = report.extent(axis, span.begin, span.end);
      return `${name} ${low === high ? number(low) : `${number(low)}…${number(high)}`}`;
    }).join(', '));
    row.append(el('span', {role: 'gridcell', class: 'wide', title: ranges.join('\n')},
      el('span', {'aria-hidden': 'true'}, open ? '▾ ' : '▸ '), el('b', {}, `${spanName(span)} `),
      el('span', {class: 'faint'}, `${shape}; ${ranges.join(' | ')}`)));
  }

  toggle(index, open) {
    if (open === this.open.has(index)) return;
    if (open) this.open.add(index);
    else this.open.delete(index);
    this.build();
    this.fill();
  }

  redraw() {
    this.build();
    this.fill();
  }
  choose() {
    const top = this.item * ROW;
    const head = this.head.offsetHeight;
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    else if (top + ROW > this.box.scrollTop + this.box.clientHeight - head) {
      this.box.scrollTop = top + ROW - this.box.clientHeight + head;
    }
    this.fill();
  }
  onClick(event) {
    const row = event.target.closest('[data-item]');
    if (!row) return;
    const item = this.items[Number(row.dataset.item)];
    if (item.token === undefined) {
      const opened = !this.open.has(item.span);
      select(spans[item.span].begin, this);
      this.toggle(item.span, opened);
    } else select(item.token, this);
  }

  onKey(event) {
    if (event.altKey || event.metaKey || this.items.length === 0) return;
    const page = Math.max(1, Math.floor(this.box.clientHeight / ROW) - 2);
    const moves = {ArrowUp: -1, ArrowDown: 1, PageUp: -page, PageDown: page, Home: -this.items.length, End: this.items.length};
    const item = this.items[this.item];
    const span = item.token === undefined ? item.span : spanOf(item.token);
    if (event.key in moves) {
      const next = this.items[Math.min(this.items.length - 1, Math.max(0, this.itemAt + moves[event.key]))];
      this.stay = next.token === undefined ? next.span : undefined;
      select(next.token ?? spans[next.span].begin, this);
    } else if (event.key === 'ArrowRight' || (event.key === 'Enter' && item.token === undefined && !this.open.has(span))) {
      if (spans[span].kind !== 'text') this.toggle(span, true);
    } else if (event.key === 'ArrowLeft' || event.key === 'Enter') {
      if (spans[span].kind !== 'text') {
        select(spans[span].begin, this);
        this.toggle(span, false);
      }
    } else return;
    event.preventDefault();
  }
  // The row that the keys move from. The heading row of an open picture has no token of its own.
  get itemAt() { return this.stay !== undefined && this.open.has(this.stay) && spans[this.stay].begin === state.token ? this.item - 1 : this.item; }
}

// ---------------------------------------------------------------------------------------------------------------------
// Search.

function matches(how, wanted) {
  const text = wanted.trim();
  if (text === '') return [];
  if (how === 'text') {
    const needle = wanted.toLowerCase();
    return tokens.flatMap(token => (token.text.toLowerCase().includes(needle) || visible(token.text).toLowerCase().includes(needle) ? [token.index] : []));
  }
  const value = Number(text);
  if (!Number.isFinite(value)) return [];
  if (how === 'index') return tokens[value] ? [value] : [];
  if (how === 'id') return tokens.flatMap(token => (token.id === value ? [token.index] : []));
  return tokens.flatMap(token => (reports.some(report => report.ids[token.index].some(id => Math.abs(id - value) < 5e-5)) ? [token.index] : []));
}

function makeSearch() {
  const how = el('select', {'aria-label': 'Search in'}, ...[['text', 'token text'], ['index', 'token number'],
    ['id', 'vocabulary id'], ['position', 'position id']].map(([value, label]) => el('option', {value}, label)));
  const input = el('input', {type: 'search', id: 'search-text', 'aria-label': 'Search for a token or an id', placeholder: 'Search'});
  const result = el('span', {role: 'status', class: 'faint', id: 'search-result'});
  const go = step => {
    const found = matches(how.value, input.value);
    if (found.length === 0) {
      result.textContent = input.value.trim() ? 'nothing found' : '';
      return;
    }
    let at = found.indexOf(state.token);
    if (at < 0 || step === 0) at = Math.max(0, found.findIndex(token => token >= state.token));
    else at = (at + step + found.length) % found.length;
    const span = spanOf(found[at]);
    if (spans[span].kind !== 'text') list.toggle(span, true);
    select(found[at], 'search');
    result.textContent = `${count(at + 1)} of ${count(found.length)}`;
  };
  input.addEventListener('input', () => go(0));
  input.addEventListener('keydown', event => {
    if (event.key !== 'Enter') return;
    event.preventDefault();
    go(event.shiftKey ? -1 : 1);
  });
  how.addEventListener('change', () => go(0));
  document.getElementById('search').append(el('span', {role: 'search', class: 'bar'}, how, input,
    el('button', {type: 'button', 'aria-label': 'Previous match', onclick: () => go(-1)}, '↑'),
    el('button', {type: 'button', 'aria-label': 'Next match', onclick: () => go(1)}, '↓'), result));
  addEventListener('keydown', event => {
    if (event.key !== '/' || event.target === input) return;
    event.preventDefault();
    input.focus();
  });
}

// ---------------------------------------------------------------------------------------------------------------------
// Pictures.

class Figures {
  constructor() {
    this.panels = [];
    this.home = document.getElementById('figures');
    const visual = spans.flatMap((span, index) => (span.kind === 'text' ? [] : [index]));
    if (visual.length === 0) {
      document.getElementById('pictures').hidden = true;
      document.getElementById('columns').classList.add('single');
      return;
    }
    this.writeBar();
    this.media = new Map();
    for (const index of visual) {
      const span = spans[index];
      const key = `${span.kind} ${span.media}`;
      if (!this.media.has(key)) this.media.set(key, []);
      this.media.get(key).push(index);
    }
    for (const [name, members] of this.media) this.home.append(this.figure(name, members));
    parts.push(this);
    new ResizeObserver(() => this.resize()).observe(this.home);
  }

  writeBar() {
    const alpha = el('input', {type: 'range', class: 'short', min: 0, max: 100, value: state.alpha * 100, 'aria-label': 'Strength of the colours',
      oninput: event => {
        state.alpha = Number(event.target.value) / 100;
        this.redraw();
      }});
    const zoom = factor => () => {
      state.zoom = Math.min(16, Math.max(0.5, state.zoom * factor));
      this.resize();
    };
    document.getElementById('picture-bar').append(
      choices('Colours over', 'range', [['picture', 'each picture'], ['prompt', 'all pictures']], state.range, range => {
        state.range = range;
        this.redraw();
      }),
      el('label', {class: 'field'}, 'Strength', alpha),
      el('span', {class: 'push field'}, 'Cells ', el('button', {type: 'button', 'aria-label': 'Smaller cells', onclick: zoom(1 / 1.5)}, '−'), ' ',
        el('button', {type: 'button', 'aria-label': 'Larger cells', onclick: zoom(1.5)}, '+')));
  }

  figure(name, members) {
    const first = spans[members[0]];
    const last = spans[members[members.length - 1]];
    const frames = members.reduce((sum, index) => sum + grids[index].frames, 0);
    const [, h, w] = first.grid;
    const total = members.reduce((sum, index) => sum + spans[index].end - spans[index].begin, 0);
    const shape = `${frames > 1 ? `${frames} frames of ` : ''}${h} × ${w} cells, ${count(total)} tokens in ${first.begin}–${last.end - 1}`;
    const panels = el('div', {class: 'panels'});
    let frame = 0;
    for (const index of members) {
      for (let inner = 0; inner < grids[index].frames; ++inner, ++frame) {
        if (!grids[index].drawable) continue;
        for (const report of reports) panels.append(this.panel(report, index, inner, frames > 1 ? `frame ${frame}` : name, frames).root);
      }
    }
    if (!panels.firstChild) panels.append(el('p', {}, 'The features of this picture are not tokens of the prompt, so there are no cells to draw.'));
    return el('figure', {}, el('figcaption', {}, el('h3', {}, name, el('span', {}, ` · ${shape}`))), panels);
  }

  panel(report, spanIndex, frame, name, frames) {
    const span = spans[spanIndex];
    const grid = grids[spanIndex];
    const panel = new CellPanel({
      span, grid, frame,
      ariaLabel: `${name}${twoPolicies ? `, ${report.policy}` : ''}: ${grid.rows} rows, ${grid.columns} columns`,
      picture: () => pictures.get(`${spanIndex}/${frame}`),
      value: token => report.ids[token][report.axis()],
      range: () => this.range(report, span),
      format: number,
      alpha: () => state.alpha,
      zoom: () => state.zoom,
      room: () => this.room(frames),
      chosen: () => state.token,
      mark: token => report.overlap(token),
      label: token => tokenLabel(token),
      heading: () => [twoPolicies ? el('b', {}, `${report.policy} `) : '', frames > 1 ? `${name} · ` : '', `axis ${report.axisNames[report.axis()]}`],
      onSelect: (token, from) => select(token, from),
    });
    panel.report = report;
    this.panels.push(panel);
    return panel;
  }

  room(frames) {
    const width = this.home.clientWidth;
    if (twoPolicies) return Math.max(160, width / 2 - 14);
    return frames > 1 ? Math.max(160, Math.min(width, width / 3 - 18)) : Math.min(width, 680);
  }

  range(report, span) {
    const axis = report.axis();
    const members = state.range === 'prompt' ? spans.filter(each => each.kind !== 'text')
      : spans.filter(each => each.kind === span.kind && each.media === span.media);
    return members.reduce(([low, high], each) => {
      const [a, b] = report.extent(axis, each.begin, each.end);
      return [Math.min(low, a), Math.max(high, b)];
    }, [Infinity, -Infinity]);
  }

  resize() { for (const panel of this.panels) panel.resize(); }
  redraw() { for (const panel of this.panels) panel.draw(); }
  choose(from) {
    const touched = token => panel => panel.grid.cell(token)?.frame === panel.frame && token >= panel.span.begin && token < panel.span.end;
    for (const panel of this.panels) {
      if (touched(state.token)(panel) || (lastChosen >= 0 && touched(lastChosen)(panel))) panel.draw();
    }
    if (from instanceof CellPanel) from.showChosen();
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Spectrum.

class Spectrum {
  constructor(report, layers, group, pairs) {
    this.report = report;
    this.pairs = pairs;  // [{pair, axis, inv_freq}]
    this.chosen = 0;
    this.option = el('span', {role: 'option', class: 'away', id: `pair-${Spectrum.count++}`, 'aria-selected': 'true'});
    this.box = el('div', {tabindex: '0', role: 'listbox', 'aria-label': `Rotary pairs${layers ? ` of ${layers}` : ''}${group === null ? '' : ` of KV heads, group ${group}`}, ${report.policy}`,
      'aria-activedescendant': this.option.id, onkeydown: event => this.onKey(event), onfocus: () => this.redraw(), onblur: () => { hideTip(); this.redraw(); }});
    const title = [twoPolicies ? report.policy : '', layers, group === null ? '' : `KV heads, group ${group}`].filter(Boolean).join(', ');
    document.getElementById('spectrum').append(title ? el('h3', {}, title) : '', this.box);
    parts.push(this);
  }
  wave(pair) { return 2 * Math.PI / pair.inv_freq; }
  label(pair) {
    if (pair.axis < 0 || !(pair.inv_freq > 0)) return `pair ${pair.pair}: never turns`;
    return `pair ${pair.pair}, axis ${this.report.axisNames[pair.axis]}: turns once in ${number(Number(this.wave(pair).toPrecision(5)))} ids\ninv_freq ${pair.inv_freq.toPrecision(6)}`;
  }
  choose() {}
  redraw() {
    const turning = this.pairs.filter(pair => pair.axis >= 0 && pair.inv_freq > 0);
    const width = Math.max(360, this.box.clientWidth);
    const lane = 30;
    const left = 74;
    const right = width - 20;
    const lanes = this.report.axes;
    const height = lanes * lane + 34;
    const low = Math.log10(2 * Math.PI) - 0.05;
    const high = Math.max(low + 1, ...turning.map(pair => Math.log10(this.wave(pair)))) + 0.08;
    const x = wave => left + (Math.log10(wave) - low) / (high - low) * (right - left);
    const svg = el('svg', {viewBox: `0 0 ${width} ${height}`, 'aria-hidden': 'true'});
    for (let power = 1; power <= high; ++power) {
      svg.append(el('line', {x1: x(10 ** power), x2: x(10 ** power), y1: 0, y2: lanes * lane + 4, stroke: 'var(--line)'}),
        el('text', {x: x(10 ** power), y: height - 14, 'text-anchor': 'middle'}, count(10 ** power)));
    }
    svg.append(el('text', {x: right, y: height, 'text-anchor': 'end'}, 'ids per turn'));
    this.report.axisNames.forEach((name, axis) => {
      const middle = axis * lane + lane / 2;
      const reach = Math.max(...this.report.extent(axis, 0, tokens.length).map(Math.abs), 1);
      const mine = this.pairs.filter(pair => pair.axis === axis).length;
      svg.append(el('text', {x: 0, y: middle + 4}, `${name} · ${mine}`),
        el('line', {x1: left, x2: right, y1: middle, y2: middle, stroke: 'var(--line)'}));
      if (reach > 2 * Math.PI && Math.log10(reach) < high) {
        svg.append(el('line', {x1: x(reach), x2: x(reach), y1: middle - 13, y2: middle + 13, stroke: 'var(--quiet)', 'stroke-dasharray': '3 3'}));
      }
    });
    const focused = document.activeElement === this.box;
    for (const pair of turning) {
      const at = x(this.wave(pair));
      const top = pair.axis * lane + 5;
      const color = this.report.axes === 1 ? 'var(--axis-0)' : `var(--axis-${pair.axis})`;
      const ring = focused && pair === this.pairs[this.chosen];
      if (ring) {
        svg.append(el('rect', {x: at - 5, y: top - 3, width: 10, height: lane - 4, rx: 3, fill: 'none', stroke: 'var(--focus)', 'stroke-width': 2}));
        this.point = [at, top + lane];
      }
      svg.append(el('rect', {x: at - 1.5, y: top, width: 3, height: lane - 10, fill: color}),
        el('rect', {x: at - 4, y: top, width: 8, height: lane - 10, fill: 'transparent', onpointerleave: hideTip,
          onpointermove: event => showTip(this.label(pair), event.clientX, event.clientY)}));
    }
    this.option.textContent = this.pairs.length ? this.label(this.pairs[this.chosen]) : '';
    this.option.setAttribute('aria-posinset', this.chosen + 1);
    this.option.setAttribute('aria-setsize', this.pairs.length);
    this.box.replaceChildren(svg, this.option);
    if (focused && this.point) {
      const box = svg.getBoundingClientRect();
      requestAnimationFrame(() => showTip(this.option.textContent, box.left + this.point[0] * box.width / width, box.top + this.point[1]));
    }
  }
  onKey(event) {
    const moves = {ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1, PageUp: -8, PageDown: 8, Home: -this.pairs.length, End: this.pairs.length};
    if (event.key === 'Escape') hideTip();
    if (!(event.key in moves) || event.altKey || event.metaKey) return;
    event.preventDefault();
    this.chosen = Math.min(this.pairs.length - 1, Math.max(0, this.chosen + moves[event.key]));
    this.redraw();
  }
}
Spectrum.count = 0;

function groupsOf(report) {
  const types = Object.entries(report.raw.layer_types || {'': report.raw});
  return types.flatMap(([layers, plan]) => {
    const grouped = Array.isArray(plan.axis_of_pair[0]);
    const axes = grouped ? plan.axis_of_pair : [plan.axis_of_pair];
    const inverse = grouped ? plan.inv_freq : [plan.inv_freq];
    return axes.map((list, group) => ({layers, group: grouped ? group : null,
      pairs: list.map((axis, pair) => ({pair, axis, inv_freq: inverse[group][pair]}))}));
  });
}
function makeSpectrum() {
  const home = document.getElementById('spectrum');
  for (const report of reports) {
    for (const {layers, group, pairs} of groupsOf(report)) {
      if (pairs.length) new Spectrum(report, layers, group, pairs);
      else home.append(el('p', {}, `${report.policy} turns no rotary pairs.`));
    }
  }
  const layered = reports.some(report => report.raw.layer_types);
  const head = ['policy', ...(layered ? ['layers'] : []), 'group', 'pair', 'axis', 'ids per turn', 'inv_freq'];
  const table = el('table', {}, el('thead', {}, el('tr', {}, ...head.map(name => el('th', {scope: 'col', class: ['policy', 'layers', 'axis'].includes(name) ? '' : 'n'}, name)))));
  const body = el('tbody');
  for (const report of reports) {
    for (const {layers, group, pairs} of groupsOf(report)) {
      for (const pair of pairs) {
        const cell = (text, kind = 'n') => el('td', {class: kind}, text);
        body.append(el('tr', {}, cell(report.policy, ''), ...(layered ? [cell(layers, '')] : []), cell(group === null ? '' : String(group)), cell(String(pair.pair)),
          cell(pair.axis < 0 ? 'none' : report.axisNames[pair.axis], ''), cell(pair.axis < 0 ? '' : number(Number((2 * Math.PI / pair.inv_freq).toPrecision(6)))),
          cell(String(pair.inv_freq))));
      }
    }
  }
  table.append(body);
  home.append(el('details', {}, el('summary', {}, 'The same as a table'), el('div', {class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Rotary pairs'}, table)));
}

// ---------------------------------------------------------------------------------------------------------------------
// Findings of the linter, where the page has any.

function makeFindings() {
  if (!reports.some(report => report.raw.findings)) return;
  document.getElementById('findings').hidden = false;
  const home = document.getElementById('finding-list');
  for (const report of reports) {
    if (twoPolicies) home.append(el('h3', {}, report.policy));
    home.append(report.raw.findings.length ? findingTable(report.raw.findings) : el('p', {}, 'The linter found nothing.'));
  }
}
function findingTable(findings) {
  const row = finding => {
    const where = el('button', {type: 'button', onclick: () => select(finding.begin)},
      finding.end - finding.begin > 1 ? `${finding.begin}–${finding.end - 1}` : String(finding.begin));
    const cause = [finding.may_cause, finding.published].filter(Boolean).join(' Published: ');
    return el('tr', {}, el('td', {class: finding.severity === 'error' ? 'alarm' : ''}, finding.severity),
      el('td', {}, [finding.guideline, finding.check].filter(Boolean).join(' ')), el('td', {}, finding.message), el('td', {}, cause),
      el('td', {}, finding.end > finding.begin ? where : ''));
  };
  return el('div', {class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Findings of the linter'}, el('table', {},
    el('thead', {}, el('tr', {}, ...['', 'check', 'what was found', 'what it may cause', 'tokens'].map(name => el('th', {scope: 'col'}, name)))),
    el('tbody', {}, ...findings.map(row))));
}

// ---------------------------------------------------------------------------------------------------------------------

document.body.append(tip);
if (['light', 'dark'].includes(address.get('theme'))) theme.chosen = address.get('theme');
document.getElementById('theme').append(themeChoice());
theme.apply();
writeFacts();
makeFindings();
if (twoPolicies) document.getElementById('columns').classList.add('two');
const list = new TokenList();
makeOverview();
makeSearch();
const pictures = decodePictures(data.pictures, () => figures.redraw());
const figures = new Figures();
makeSpectrum();
redraw();
select(state.token);
theme.listeners.push(redraw);
let resizing;
addEventListener('resize', () => {
  clearTimeout(resizing);
  resizing = setTimeout(redraw, 60);
});
document.documentElement.dataset.ready = 'yes';
