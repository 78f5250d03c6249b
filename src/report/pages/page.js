// What both pages share: elements, numbers, text that is safe to show, colours, theme and the tooltip.
'use strict';

// Text only ever enters the page through textContent and attributes; no token can become markup.
function el(tag, attributes = {}, ...children) {
  const svg = ['svg', 'g', 'line', 'circle', 'rect', 'text', 'title', 'path'].includes(tag);
  const node = svg ? document.createElementNS('http://www.w3.org/2000/svg', tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children);
  return node;
}

// Whole numbers as they are, others with at most four decimals.
function number(value) {
  if (value === null || value === undefined) return '–';
  return Number.isInteger(value) ? String(value) : String(Number(value.toFixed(4)));
}
const count = new Intl.NumberFormat('en').format;

// Characters that would not be seen, or would change how their neighbours are drawn, are spelt out.
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/gu;
function visible(text) {
  const short = {'\n': '\\n', '\t': '\\t', '\r': '\\r'};
  const spelt = text.replace(UNSEEN, c => short[c] ?? `\\u{${c.codePointAt(0).toString(16)}}`);
  return spelt.replace(/^ +| +$/g, blanks => '␣'.repeat(blanks.length)) || '∅';
}

// Colours of ordered numbers; data.ramp runs from small to large at even steps of lightness.
function ramp(position) {
  const stops = data.ramp;
  return stops[Math.round(Math.min(1, Math.max(0, position)) * (stops.length - 1))];
}
function isLight(hex) {
  const [r, g, b] = [1, 3, 5].map(i => parseInt(hex.slice(i, i + 2), 16));
  return 0.299 * r + 0.587 * g + 0.114 * b > 140;
}
const cssColor = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// The page follows the system until the reader chooses.
const theme = {
  chosen: 'auto',
  system: matchMedia('(prefers-color-scheme: dark)'),
  listeners: [],
  get dark() { return this.chosen === 'auto' ? this.system.matches : this.chosen === 'dark'; },
  apply() {
    document.documentElement.dataset.theme = this.dark ? 'dark' : 'light';
    for (const listener of this.listeners) listener();
  },
  choose(name) {
    this.chosen = name;
    this.apply();
  },
};
theme.system.addEventListener('change', () => theme.apply());

// One choice of a few, as radio buttons.
function choices(legend, name, options, chosen, onChange) {
  const field = el('fieldset', {}, el('legend', {}, legend));
  for (const [value, label] of options) {
    const input = el('input', {type: 'radio', name, value, checked: value === chosen, onchange: () => onChange(value)});
    field.append(el('label', {class: 'choice'}, input, el('span', {}, label)));
  }
  return field;
}
function themeChoice() {
  return choices('Theme', 'theme', [['auto', 'auto'], ['light', 'light'], ['dark', 'dark']], theme.chosen,
    name => theme.choose(name));
}

const tip = el('div', {class: 'tip', hidden: true});
function showTip(text, x, y) {
  tip.textContent = text;
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - box.width - 4))}px`;
  tip.style.top = `${y + 18 + box.height > innerHeight - 60 ? y - box.height - 10 : y + 18}px`;
}
function hideTip() { tip.hidden = true; }
addEventListener('scroll', hideTip, {passive: true, capture: true});

// A canvas that is as sharp as the screen; returns its context in CSS pixels.
function sharpen(canvas, width, height) {
  const ratio = Math.min(devicePixelRatio || 1, 8192 / Math.max(width, height, 1));
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext('2d');
  context.scale(ratio, ratio);
  return context;
}

// Grid of the cells of one visual span: which token is which cell. Rows may end in an extra token (a learned newline).
function spanGrid(span) {
  const [t, h, w] = span.grid;
  const tokens = span.end - span.begin;
  const stride = tokens === t * h * w ? w : tokens === t * h * (w + 1) ? w + 1 : 0;
  return {
    frames: t, rows: h, columns: w, drawable: stride > 0,
    token: (frame, row, column) => span.begin + (frame * h + row) * stride + column,
    cell(token) {
      const offset = token - span.begin;
      if (stride === 0 || offset < 0 || token >= span.end || offset % stride >= w) return null;
      return {frame: Math.floor(offset / stride / h), row: Math.floor(offset / stride) % h, column: offset % stride};
    },
  };
}

function decodePictures(views, onReady) {
  const pictures = new Map();
  for (const view of views) {
    const image = new Image();
    image.onload = onReady;
    image.src = view.url;
    pictures.set(`${view.span}/${view.frame}`, image);
  }
  return pictures;
}

// One frame's cells over its picture: coloured by a number each, walked by arrow keys and pointer. `source` gives the
// numbers; the owner is told about the chosen token and tells the panel to draw.
class CellPanel {
  constructor(options) {
    Object.assign(this, options);  // span, spanIndex, frame, grid, name, picture(), value(token), range(), label(token), mark(token), onSelect
    this.canvas = el('canvas', {'aria-hidden': 'true'});
    this.option = el('span', {role: 'option', class: 'away', id: `cell-${CellPanel.count++}`, 'aria-selected': 'true'});
    this.box = el('div', {class: 'cells', tabindex: '0', role: 'listbox', 'aria-label': this.ariaLabel,
      onkeydown: event => this.onKey(event), onfocus: () => this.onFocus(), onblur: hideTip}, this.canvas, this.option);
    this.canvas.addEventListener('pointermove', event => this.onHover(event));
    this.canvas.addEventListener('pointerleave', hideTip);
    this.canvas.addEventListener('pointerdown', event => this.onHover(event, true));
    this.low = el('span');
    this.high = el('span');
    this.bar = el('i', {'aria-hidden': 'true'});
    this.bar.style.background = `linear-gradient(to right, ${data.ramp.join(',')})`;
    this.title = el('div', {class: 'name'});
    this.root = el('div', {class: 'panel'}, this.title, this.box, el('div', {class: 'scale'}, this.low, this.bar, this.high));
    this.seen = false;
    new IntersectionObserver(entries => {
      if (this.seen || !entries.some(entry => entry.isIntersecting)) return;
      this.seen = true;
      this.draw();
    }, {rootMargin: '400px'}).observe(this.box);
    this.resize();
  }

  resize() {
    const room = this.room();
    const fitting = Math.max(5, Math.min(64, room / this.grid.columns));
    this.size = Math.min(fitting * this.zoom(), 6000 / Math.max(this.grid.columns, this.grid.rows));
    this.box.style.height = '';
    this.draw(true);
  }

  rect(cell) { return [cell.column * this.size, cell.row * this.size]; }
  get chosenCell() {
    const cell = this.grid.cell(this.chosen());
    return cell && cell.frame === this.frame ? cell : null;
  }

  draw(always = false) {
    const width = Math.round(this.size * this.grid.columns);
    const height = Math.round(this.size * this.grid.rows);
    if (!this.seen && !always) return;
    const [low, high] = this.range();
    this.low.textContent = this.format(low);
    this.high.textContent = this.format(high);
    this.title.replaceChildren(...this.heading());
    const context = sharpen(this.canvas, width, height);
    if (!this.seen) return;
    const image = this.picture();
    if (image && image.complete && image.naturalWidth) context.drawImage(image, 0, 0, width, height);
    else {
      context.fillStyle = cssColor('--band');
      context.fillRect(0, 0, width, height);
    }
    this.drawCells(context, low, high);
    this.drawChosen(context);
  }

  drawCells(context, low, high) {
    const {rows, columns} = this.grid;
    const gap = this.size >= 12 ? 1 : 0;
    const numbers = this.numbersFit(context, low, high);
    for (let row = 0; row < rows; ++row) {
      for (let column = 0; column < columns; ++column) {
        const token = this.grid.token(this.frame, row, column);
        const value = this.value(token);
        const [x, y] = this.rect({row, column});
        const color = ramp(high > low ? (value - low) / (high - low) : 0.5);
        context.globalAlpha = this.alpha();
        context.fillStyle = color;
        context.fillRect(x, y, this.size - gap, this.size - gap);
        context.globalAlpha = 1;
        if (numbers) this.drawNumber(context, (this.cellText ?? this.format)(value), x, y, color);
        if (this.mark(token)) this.drawMark(context, x, y);
      }
    }
  }

  numbersFit(context, low, high) {
    if (this.size < 14) return false;
    this.font = Math.min(14, Math.max(9, this.size * 0.3));
    context.font = `${this.font}px ui-monospace, "Noto Sans Mono", "DejaVu Sans Mono", monospace`;
    context.textAlign = 'center';
    context.textBaseline = 'middle';
    const widest = this.widest ?? [low, high].map(this.format).sort((a, b) => b.length - a.length)[0];
    return context.measureText(widest).width <= this.size * 0.8;
  }

  // A rim of the opposite lightness keeps a number readable whatever the picture behind it.
  drawNumber(context, text, x, y, color) {
    const light = isLight(color);
    const center = this.size / 2;
    context.lineWidth = 2.5;
    context.lineJoin = 'round';
    context.strokeStyle = light ? 'rgba(255,255,255,0.6)' : 'rgba(0,0,0,0.5)';
    context.strokeText(text, x + center, y + center);
    context.fillStyle = light ? '#101418' : '#ffffff';
    context.fillText(text, x + center, y + center);
  }

  drawMark(context, x, y) {
    const side = Math.max(3, this.size * 0.22);
    context.beginPath();
    context.moveTo(x + this.size - 1, y);
    context.lineTo(x + this.size - 1 - side, y);
    context.lineTo(x + this.size - 1, y + side);
    context.closePath();
    context.fillStyle = '#d3302f';
    context.fill();
    if (this.size >= 20) {
      context.lineWidth = 1;
      context.strokeStyle = '#ffffff';
      context.stroke();
    }
  }

  drawChosen(context) {
    const cell = this.chosenCell;
    if (!cell) return;
    const [x, y] = this.rect(cell);
    const inset = this.size >= 8 ? 1.5 : 0;
    for (const [width, color] of [[4, '#ffffff'], [2, '#000000']]) {
      context.lineWidth = width;
      context.strokeStyle = color;
      context.strokeRect(x + inset, y + inset, this.size - 2 * inset, this.size - 2 * inset);
    }
    this.option.textContent = this.label(this.chosen());
    this.option.setAttribute('aria-posinset', cell.row * this.grid.columns + cell.column + 1);
    this.option.setAttribute('aria-setsize', this.grid.rows * this.grid.columns);
    this.box.setAttribute('aria-activedescendant', this.option.id);
  }

  onHover(event, chosen = false) {
    const row = Math.floor(event.offsetY / this.size);
    const column = Math.floor(event.offsetX / this.size);
    if (row < 0 || column < 0 || row >= this.grid.rows || column >= this.grid.columns) return;
    const token = this.grid.token(this.frame, row, column);
    showTip(this.label(token), event.clientX, event.clientY);
    if (chosen) this.onSelect(token, this);
  }

  onFocus() {
    if (!this.chosenCell) this.onSelect(this.grid.token(this.frame, 0, 0), this);
    else this.showChosen();
  }

  // Keyboard readers see the same tooltip as pointer readers.
  showChosen() {
    const cell = this.chosenCell;
    if (!cell || document.activeElement !== this.box) return;
    const [x, y] = this.rect(cell);
    const box = this.box;
    if (x < box.scrollLeft) box.scrollLeft = x;
    if (y < box.scrollTop) box.scrollTop = y;
    if (x + this.size > box.scrollLeft + box.clientWidth) box.scrollLeft = x + this.size - box.clientWidth;
    if (y + this.size > box.scrollTop + box.clientHeight) box.scrollTop = y + this.size - box.clientHeight;
    const place = this.canvas.getBoundingClientRect();
    requestAnimationFrame(() => showTip(this.label(this.chosen()), place.left + x + this.size / 2, place.top + y + this.size / 2));
  }

  onKey(event) {
    const cell = this.chosenCell ?? {row: 0, column: 0};
    const {rows, columns} = this.grid;
    const moves = {
      ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0],
      Home: [0, -columns], End: [0, columns], PageUp: [-rows, 0], PageDown: [rows, 0],
    };
    const move = moves[event.key];
    if (event.key === 'Escape') hideTip();
    if (!move || event.altKey || event.metaKey) return;
    event.preventDefault();
    const row = Math.min(rows - 1, Math.max(0, cell.row + move[0]));
    const column = Math.min(columns - 1, Math.max(0, cell.column + move[1]));
    this.onSelect(this.grid.token(this.frame, row, column), this);
  }
}
CellPanel.count = 0;

// Options in the address (#token=17&theme=dark) make a view that can be linked to.
const address = new URLSearchParams(location.hash.slice(1));
