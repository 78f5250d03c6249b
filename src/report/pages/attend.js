const data = JSON.parse(document.getElementById('data').textContent);
const report = data.report;
const tokens = report.tokens.concat(report.generated.map((token, i) => ({...token, index: report.tokens.length + i, span: -1})));
const spans = report.spans;
const grids = spans.map(spanGrid);
const cellOfToken = new Map(report.visual_tokens.map((token, cell) => [token, cell]));
const layers = report.queries[0].layers.length;

const clamp = (value, least, most) => Math.min(most, Math.max(least, value));
const fromAddress = (name, least, most) => clamp(Number(address.get(name) ?? least) || 0, least, most);
const state = {
  query: fromAddress('query', 0, report.queries.length - 1),
  layer: address.has('layer') ? fromAddress('layer', -1, layers - 1) : -1,  // -1: mean over layers
  head: address.has('head') ? fromAddress('head', -1, 1 << 20) : -1,        // -1: mean over heads
  token: report.visual_tokens[0] ?? 0,
  alpha: 0.72,
  scale: 'linear',
};

// Weights in per cent, to read; the numbers as they are in the JSON stand in the status line.
const percent = value => value === 0 ? '0%' : `${value >= 0.0995 ? (100 * value).toFixed(0) : (100 * value).toPrecision(2)}%`;
const weight = value => String(Number(value.toPrecision(6)));
const query = () => report.queries[state.query];
const chosenLayers = () => (state.layer < 0 ? query().layers : [query().layers[state.layer]]);
const mean = values => values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);

// Weight of one visual token under the chosen layer and head.
let cellWeights = [];
function computeCells() {
  cellWeights = report.visual_tokens.map((_, cell) => mean(chosenLayers().map(layer => (
    state.head < 0 ? mean(layer.visual.map(head => head[cell])) : layer.visual[Math.min(state.head, layer.visual.length - 1)][cell]))));
}
const weightOf = token => cellWeights[cellOfToken.get(token)] ?? 0;

function placeText(token) {
  const span = spans[tokens[token].span];
  if (!span) return 'answer';
  if (span.kind === 'text') return 'text';
  const cell = grids[tokens[token].span].cell(token);
  const name = `${span.kind} ${span.media}`;
  return cell ? `${name}${grids[tokens[token].span].frames > 1 ? `, frame ${cell.frame}` : ''}, row ${cell.row}, column ${cell.column}` : name;
}
const label = token => `token ${token}, ${placeText(token)}\nweight ${weight(weightOf(token))} (${percent(weightOf(token))})`;
const choiceText = () => `${state.layer < 0 ? 'all layers' : `layer ${state.layer}`}, ${state.head < 0 ? 'mean of heads' : `head ${state.head}`}`;

function writeFacts() {
  const facts = document.getElementById('facts');
  const fact = (name, value) => facts.append(el('li', {}, `${name} `, el('b', {}, value)));
  fact('policy', report.policy);
  fact('tokens', count(report.tokens.length));
  fact('of pictures', count(report.visual_tokens.length));
  fact('layers', count(layers));
  if (report.generated.length) fact('answer', report.generated.map(token => visible(token.text)).join(' '));
}

function writeNow() {
  const now = document.getElementById('now');
  if (!cellOfToken.has(state.token)) {
    now.replaceChildren(el('span', {}, choiceText()));
    return;
  }
  now.replaceChildren(el('span', {}, choiceText()),
    el('span', {}, 'token ', el('b', {'data-now': 'index'}, String(state.token))),
    el('span', {'data-now': 'place'}, placeText(state.token)),
    el('span', {}, 'weight ', el('b', {'data-now': 'weight'}, weight(weightOf(state.token)))));
}

// ---------------------------------------------------------------------------------------------------------------------

function makeQueryChoice() {
  const box = el('select', {id: 'query', 'aria-labelledby': 'query-title', onchange: event => {
    state.query = Number(event.target.value);
    redraw();
  }});
  report.queries.forEach((each, index) => {
    const last = each.token === report.tokens.length - 1 ? ', the last of the prompt' : '';
    const name = each.generated ? `answer token ${each.token - report.tokens.length}: ${visible(each.text)}` : `token ${each.token}: ${visible(each.text)}${last}`;
    box.append(el('option', {value: index, selected: index === state.query}, name));
  });
  document.getElementById('query-bar').append(box);
}

// Layers by heads, with means. One cell takes the focus; arrow keys walk.
class ShareTable {
  constructor() { this.home = document.getElementById('share-table'); }
  share(layer, head) {
    const rows = layer < 0 ? query().layers : [query().layers[layer]];
    return mean(rows.map(row => (head < 0 ? row.mean_visual_share : row.visual_share[Math.min(head, row.visual_share.length - 1)])));
  }
  redraw() {
    const hadFocus = this.home.contains(document.activeElement);
    const heads = Math.max(...query().layers.map(layer => layer.visual_share.length));
    this.columns = [-1, ...Array(heads).keys()];
    this.rows = [-1, ...Array(layers).keys()];
    const most = Math.max(1e-9, ...query().layers.flatMap(layer => layer.visual_share));
    const head = el('tr', {}, el('th', {scope: 'col'}, 'layer'), ...this.columns.map(h => el('th', {scope: 'col'}, h < 0 ? 'mean' : String(h))));
    const body = el('tbody');
    for (const layer of this.rows) {
      body.append(el('tr', {}, el('th', {scope: 'row'}, layer < 0 ? 'all' : String(layer)),
        ...this.columns.map(h => el('td', {}, this.button(layer, h, most)))));
    }
    this.home.replaceChildren(el('div', {class: 'heat', onkeydown: event => this.onKey(event)},
      el('table', {'aria-label': 'Share of attention on pictures, per cent'}, el('thead', {}, head), body)));
    if (hadFocus) this.home.querySelector('[aria-pressed="true"]')?.focus();
  }
  button(layer, head, most) {
    const share = this.share(layer, head);
    const color = ramp(share / most);
    const chosen = layer === state.layer && head === state.head;
    const button = el('button', {type: 'button', tabindex: chosen ? 0 : -1, 'aria-pressed': String(chosen), 'data-layer': layer, 'data-head': head,
      'data-share': weight(share), 'aria-label': `${layer < 0 ? 'all layers' : `layer ${layer}`}, ${head < 0 ? 'mean of heads' : `head ${head}`}: ${percent(share)}`,
      onclick: () => this.choose(layer, head)}, (100 * share).toFixed(share < 0.0995 ? 1 : 0));
    button.style.background = color;
    button.style.color = isLight(color) ? '#101418' : '#ffffff';
    return button;
  }
  choose(layer, head) {
    state.layer = layer;
    state.head = head;
    redraw();
    this.home.querySelector('[aria-pressed="true"]').focus();
  }
  onKey(event) {
    const moves = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1],
      Home: [0, -this.columns.length], End: [0, this.columns.length], PageUp: [-this.rows.length, 0], PageDown: [this.rows.length, 0]};
    const move = moves[event.key];
    if (!move || event.altKey || event.metaKey) return;
    event.preventDefault();
    this.choose(clamp(state.layer + move[0], -1, layers - 1), clamp(state.head + move[1], -1, this.columns.length - 2));
  }
}

// ---------------------------------------------------------------------------------------------------------------------

class AttentionMap {
  constructor() {
    this.panels = [];
    this.home = document.getElementById('figures');
    document.getElementById('map-bar').append(
      choices('Colours', 'scale', [['linear', 'even'], ['log', 'logarithmic']], state.scale, scale => {
        state.scale = scale;
        redraw();
      }),
      el('label', {class: 'field'}, 'Strength', el('input', {type: 'range', min: 0, max: 100, value: 100 * state.alpha, 'aria-label': 'Strength of the colours',
        oninput: event => {
          state.alpha = Number(event.target.value) / 100;
          this.redraw();
        }})));
    spans.forEach((span, index) => {
      if (span.kind === 'text' || !grids[index].drawable) return;
      const panels = el('div', {class: 'panels'});
      for (let frame = 0; frame < grids[index].frames; ++frame) panels.append(this.panel(span, index, frame).root);
      this.home.append(el('figure', {}, panels));
    });
    if (this.panels.length === 0) this.home.append(el('p', {}, 'No picture of this prompt has cells to draw.'));
    new ResizeObserver(() => this.panels.forEach(panel => panel.resize())).observe(this.home);
  }

  panel(span, index, frame) {
    const name = `${span.kind} ${span.media}${grids[index].frames > 1 ? ` frame ${frame}` : ''}`;
    const panel = new CellPanel({
      span, frame, grid: grids[index],
      ariaLabel: `${name}: ${grids[index].rows} rows, ${grids[index].columns} columns of attention weights`,
      picture: () => pictures.get(`${index}/${frame}`),
      value: token => this.shade(weightOf(token)),
      range: () => [this.shade(0), this.shade(Math.max(1e-9, ...cellWeights))],
      format: shade => percent(this.unshade(shade)),
      cellText: shade => (100 * this.unshade(shade)).toFixed(1),
      widest: '99.9',
      alpha: () => state.alpha,
      zoom: () => 1,
      room: () => Math.min(this.home.clientWidth, this.panels.length > 2 ? 320 : 620),
      chosen: () => state.token,
      mark: token => this.sinks().includes(token),
      label,
      heading: () => [el('b', {}, `${name} `), `· ${choiceText()} · sum ${percent(this.sum(span))}`],
      onSelect: (token, from) => {
        state.token = token;
        this.redraw();
        writeNow();
        from.showChosen();
      },
    });
    this.panels.push(panel);
    return panel;
  }

  // Three powers of ten below the largest weight, where colours follow the logarithm.
  shade(value) {
    if (state.scale === 'linear') return value;
    const most = Math.max(1e-9, ...cellWeights);
    return Math.max(0, 3 + Math.log10(Math.max(value, 1e-12) / most));
  }
  unshade(shade) { return state.scale === 'linear' ? shade : Math.max(1e-9, ...cellWeights) * 10 ** (shade - 3); }
  sinks() { return report.sinks.filter(sink => state.layer < 0 || sink.layer === state.layer).map(sink => sink.visual_token); }
  sum(span) {
    let sum = 0;
    for (let token = span.begin; token < span.end; ++token) sum += weightOf(token);
    return sum;
  }
  redraw() { for (const panel of this.panels) panel.draw(); }
}

// ---------------------------------------------------------------------------------------------------------------------

function table(names, rows, numeric) {
  return el('div', {class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Table'}, el('table', {},
    el('thead', {}, el('tr', {}, ...names.map((name, i) => el('th', {scope: 'col', class: numeric.includes(i) ? 'n' : ''}, name)))),
    el('tbody', {}, ...rows.map(row => el('tr', {}, ...row.map((cell, i) => el('td', {class: numeric.includes(i) ? 'n' : ''}, cell)))))));
}
const tokenCell = token => el('span', {class: 'mono'}, visible(tokens[token].text));

function writeTop() {
  const sums = query().layers[0].mean.map((_, key) => mean(chosenLayers().map(layer => layer.mean[key])));
  const order = [...sums.keys()].sort((a, b) => sums[b] - sums[a] || a - b).slice(0, 12);
  document.getElementById('top-note').textContent = `By this query, ${state.layer < 0 ? 'mean of all layers' : `layer ${state.layer}`}, mean of heads.`;
  document.getElementById('top').replaceChildren(table(['token', '', 'place', 'weight'],
    order.map(token => [String(token), tokenCell(token), placeText(token), percent(sums[token])]), [0, 3]));
}

function writeSinks() {
  const behind = report.sink_queries.length;
  document.getElementById('sinks-note').textContent = `The token that each layer looks at most, whoever asks: mean over heads and over ${behind} ${behind === 1 ? 'query' : 'queries'}${report.visual_tokens.length ? '; and the cell, which the picture marks with a corner' : ''}.`;
  document.getElementById('sinks').replaceChildren(table(['layer', 'token', '', 'weight', 'cell', 'weight'], report.sinks.map(sink => [
    String(sink.layer), String(sink.token), tokenCell(sink.token), percent(sink.weight),
    sink.visual_token === undefined ? 'none' : placeText(sink.visual_token), sink.visual_token === undefined ? '' : percent(sink.visual_weight)]), [0, 1, 3, 5]));
}

let map;
const shares = new ShareTable();
function redraw() {
  computeCells();
  shares.redraw();
  map?.redraw();
  writeTop();
  writeSinks();
  writeNow();
}

document.body.append(tip);
if (['light', 'dark'].includes(address.get('theme'))) theme.chosen = address.get('theme');
document.getElementById('theme').append(themeChoice());
theme.apply();
writeFacts();
makeQueryChoice();
computeCells();
const pictures = decodePictures(data.pictures, () => map.redraw());
map = new AttentionMap();
redraw();
theme.listeners.push(redraw);
document.documentElement.dataset.ready = 'yes';
