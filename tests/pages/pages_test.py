#!/usr/bin/env python3
"""The pages in a real browser: their numbers are those of --json, keys reach everything, nothing breaks them.

    pages_test.py AZIMUTH [unittest options]
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest
import xml.dom.minidom

import examples
from browser import Browser

AZIMUTH = None  # the command, an absolute path

# Texts that try to leave their place: the element, the script, the attribute, the line, the reading direction.
HOSTILE = [
    '</script><script>document.title="broken"</script>',
    '<img src=x onerror="document.title=\'broken\'">',
    '{{data}}{{page.js}}',
    '<!--<script>',
    ']]>&amp;&#60;"\'`${document.title="broken"}',
    'a\u202eb\u2066c\u200bd\u0000e\u001bf\ufeffg',
    'e' + '\u0301' * 40,
    '\u2028\u2029\n\t\r',
    '𝒳漢字🙂',
]


def number(value):
    """How the pages write an id."""
    return str(value) if float(value).is_integer() else repr(round(value, 4))


class PageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory(prefix='azimuth-pages-')
        cls.directory = pathlib.Path(cls.temporary.name)
        cls.browser = Browser()

    @classmethod
    def tearDownClass(cls):
        cls.browser.__exit__()
        cls.temporary.cleanup()

    def tearDown(self):
        self.assertEqual(self.browser.problems, [], 'the console is empty')

    def example(self, name):
        directory = self.directory / name
        if (directory / 'messages.json').exists():
            return directory / 'azimuth-tiny', directory / 'messages.json'
        directory.mkdir(exist_ok=True)
        if name == 'five':
            return examples.five_tokens(directory)
        return examples.five_thousand_tokens(AZIMUTH, directory)

    def page(self, model, messages, *options):
        path = self.directory / 'page.html'
        subprocess.run([AZIMUTH, 'positions', model, '--messages', messages, '--html', path, *options], check=True)
        return path

    def focus(self, selector):
        """Brings the focus there with the Tab key alone."""
        self.browser.value('document.activeElement.blur()')
        for _ in range(60):
            self.browser.press('Tab')
            if self.browser.value(f'document.activeElement.matches({json.dumps(selector)})'):
                return
        self.fail(f'Tab does not reach {selector}')

    def now(self):
        return self.browser.value('''({
            index: Number(document.querySelector('[data-now="index"]').textContent),
            text: document.querySelector('[data-now="text"]').textContent,
            id: Number(document.querySelector('[data-now="id"]').textContent),
            ids: [...document.querySelectorAll('[data-now="ids"]')].map(each =>
                [...each.querySelectorAll('[data-axis]')].map(axis => axis.textContent)),
        })''')

    def tip(self):
        return self.browser.value('document.querySelector(".tip").hidden ? null : document.querySelector(".tip").textContent')


class Positions(PageTest):
    def walk_the_list(self, expected):
        """Opens every picture by keyboard, then reads every row of the list on the way down."""
        self.focus('[role="treegrid"]')
        self.browser.press('Home')
        spans = [span for span in expected['spans'] if span['kind'] != 'text' and span['end'] - span['begin'] > 1]
        for span in spans:
            self.browser.value(f'select({span["begin"]})')
            self.browser.press('ArrowRight')
        self.browser.press('Home')
        rows = {}
        for _ in range(len(expected['tokens'])):
            for index, cells in self.browser.value('''[...document.querySelectorAll('[data-token]')].map(row =>
                    [Number(row.dataset.token), [...row.children].map(cell => cell.textContent)])'''):
                rows[index] = cells
            if self.now()['index'] == len(expected['tokens']) - 1:
                break
            self.browser.press('PageDown')
        self.assertEqual(sorted(rows), list(range(len(expected['tokens']))))
        for token in expected['tokens']:
            cells = rows[token['index']]
            self.assertEqual(cells[0], str(token['index']))
            self.assertEqual(cells[2], str(token['id']))
            self.assertEqual(cells[3:3 + expected['axes']], [number(id) for id in token['position']])

    def test_numbers_at_five_tokens(self):
        model, messages = self.example('five')
        expected = examples.positions(AZIMUTH, model, messages)
        self.assertEqual(len(expected['tokens']), 5)
        self.browser.open(self.page(model, messages))
        self.assertEqual(self.browser.value('data.reports[0]'), expected)
        self.walk_the_list(expected)
        for token in expected['tokens']:
            self.browser.value(f'select({token["index"]})')
            shown = self.now()
            self.assertEqual((shown['index'], shown['id']), (token['index'], token['id']))
            self.assertEqual(shown['ids'], [[number(id) for id in token['position']]])

    def test_numbers_at_five_thousand_tokens(self):
        model, messages = self.example('large')
        expected = examples.positions(AZIMUTH, model, messages)
        self.assertEqual(len(expected['tokens']), 5000)
        self.browser.open(self.page(model, messages))
        self.assertEqual(self.browser.value('data.reports[0]'), expected)
        self.walk_the_list(expected)
        self.assertLess(self.browser.value('document.querySelectorAll("[data-item]").length'), 100, 'rows in sight only')

    def test_every_cell_says_its_ids(self):
        model, messages = self.example('large')
        expected = examples.positions(AZIMUTH, model, messages)
        self.browser.open(self.page(model, messages))
        for index, span in enumerate(expected['spans']):
            if span['kind'] == 'text':
                continue
            rows, columns = span['grid'][1:]
            for row, column in ((0, 0), (0, columns - 1), (rows - 1, 0), (rows // 2, columns // 3)):
                token = span['begin'] + row * columns + column
                label = self.browser.value(f'tokenLabel({token})')
                ids = expected['tokens'][token]['position']
                self.assertIn(f'row {row}, column {column}', label)
                self.assertIn('  '.join(f'{axis} {number(id)}' for axis, id in zip('thw', ids)), label)

    def test_two_policies(self):
        model, messages = self.example('large')
        self.browser.open(self.page(model, messages, '--compare', 'vanilla'))
        for which, policy in enumerate(('', 'vanilla')):
            options = ('--positions', policy) if policy else ()
            self.assertEqual(self.browser.value(f'data.reports[{which}]'), examples.positions(AZIMUTH, model, messages, *options))
        self.browser.value('select(2000)')
        self.assertEqual([len(ids) for ids in self.now()['ids']], [3, 1])

    def test_overlaps_are_marked(self):
        model, messages = self.example('large')
        overlapping = [token['index'] for token in
                       examples.positions(AZIMUTH, model, messages, '--positions', 'mrope_i_reset')['tokens'] if 'overlap' in token]
        self.assertTrue(overlapping)
        self.browser.open(self.page(model, messages, '--positions', 'mrope_i_reset'))
        self.browser.value(f'list.toggle(spanOf({overlapping[0]}), true); select({overlapping[0]})')
        self.assertIn('overlap', self.browser.value('document.getElementById("now").textContent'))
        self.assertEqual(self.browser.value(f'document.querySelector(\'[data-token="{overlapping[0]}"]\').lastChild.textContent'), '◥')
        self.assertIn(f'{len(overlapping):,} overlapping', self.browser.value('document.getElementById("facts").textContent'))

    def test_findings_lead_to_their_tokens(self):
        model, messages = self.example('large')
        expected = examples.positions(AZIMUTH, model, messages, '--positions', 'videorope')['findings']
        self.assertTrue(expected)
        self.browser.open(self.page(model, messages, '--positions', 'videorope'))
        rows = self.browser.value('[...document.querySelectorAll("#finding-list tbody tr")].map(row => row.children[2].textContent)')
        self.assertEqual(rows, [finding['message'] for finding in expected])
        with_tokens = next(finding for finding in expected if finding['end'] > finding['begin'])
        self.browser.value('document.querySelector("#finding-list button").click()')
        self.assertEqual(self.now()['index'], with_tokens['begin'])
        warnings = sum(finding['severity'] == 'warning' for finding in expected)
        self.assertIn(f'{warnings} warnings', self.browser.value('document.getElementById("facts").textContent'))

    def test_policies_that_turn_nothing(self):
        model, messages = self.example('five')
        self.browser.open(self.page(model, messages, '--positions', 'alibi'))
        self.assertIn('turns no rotary pairs', self.browser.value('document.getElementById("spectrum").textContent'))

    def test_id_sets_of_layers(self):
        model, messages = self.example('large')
        policy = 'circle:alpha=0.5,age=strategy_4'
        expected = examples.positions(AZIMUTH, model, messages, '--positions', policy)
        self.browser.open(self.page(model, messages, '--positions', policy))
        token = next(span['begin'] for span in expected['spans'] if span['kind'] != 'text') + 3
        self.browser.value(f'select({token})')
        for which, ids in enumerate(expected['sets']):
            self.browser.value(f'document.querySelector(\'input[name="set"][value="{which}"]\').click()')
            self.assertEqual(self.now()['ids'], [[number(id) for id in ids['position'][token]]])

    def test_keyboard(self):
        model, messages = self.example('large')
        expected = examples.positions(AZIMUTH, model, messages)
        self.browser.open(self.page(model, messages))
        self.browser.press('Tab')
        self.assertTrue(self.browser.value('document.activeElement.classList.contains("skip")'), 'the skip link is first')
        self.focus('[role="slider"]')
        self.browser.press('End')
        self.assertEqual(self.now()['index'], 4999)
        self.browser.press('ArrowLeft', 3)
        self.assertEqual(self.browser.value('document.activeElement.getAttribute("aria-valuenow")'), '4996')
        self.assertIn('token 4996', self.tip())
        self.browser.press('+')
        self.assertLess(self.browser.value('state.view[1] - state.view[0]'), 5000)
        self.browser.press('0')
        self.assertEqual(self.browser.value('state.view'), [0, 5000])

        self.focus('[role="treegrid"]')
        self.browser.press('Home')
        self.browser.press('ArrowDown', 2)
        self.assertEqual(self.now()['index'], 2)
        active = self.browser.value('document.getElementById(document.activeElement.getAttribute("aria-activedescendant")).ariaSelected')
        self.assertEqual(active, 'true')

        first = next(span for span in expected['spans'] if span['kind'] == 'image')
        self.focus('.cells')
        self.assertEqual(self.now()['index'], first['begin'])
        self.browser.press('ArrowRight', 2)
        self.browser.press('ArrowDown')
        self.assertEqual(self.now()['index'], first['begin'] + first['grid'][2] + 2)
        self.browser.value('new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))')
        self.assertIn('row 1, column 2', self.tip())
        outline = self.browser.value('getComputedStyle(document.activeElement).outlineStyle')
        self.assertEqual(outline, 'solid', 'the focus is seen')

        self.browser.press('/')
        self.assertEqual(self.browser.value('document.activeElement.id'), 'search-text')
        self.search(expected)

    def search(self, expected):
        self.browser.type('vision_start')
        found = [token['index'] for token in expected['tokens'] if 'vision_start' in token['text']]
        here = self.now()['index']
        self.assertIn(here, found)
        self.browser.press('Enter')
        self.assertEqual(self.now()['index'], found[(found.index(here) + 1) % len(found)])
        self.browser.press('Enter', shift=True)
        self.assertEqual(self.now()['index'], here)
        self.assertEqual(self.browser.value('document.getElementById("search-result").textContent'),
                         f'{found.index(here) + 1} of {len(found)}')
        for how, wanted in (('index', 4321), ('position', 3000), ('id', expected['tokens'][4999]['id'])):
            self.browser.value(f'document.querySelector("#search select").value = "{how}"')
            self.browser.value('document.getElementById("search-text").value = ""')
            self.browser.type(str(wanted))
            shown = self.now()
            self.assertIn(str(wanted), {'index': [str(shown['index'])], 'position': shown['ids'][0], 'id': [str(shown['id'])]}[how])

    def test_spectrum_by_keyboard(self):
        model, messages = self.example('five')
        expected = examples.positions(AZIMUTH, model, messages)
        self.browser.open(self.page(model, messages))
        self.focus('#spectrum [role="listbox"]')
        for pair, (axis, inverse) in enumerate(zip(expected['axis_of_pair'], expected['inv_freq'])):
            text = self.browser.value('document.activeElement.querySelector("[role=option]").textContent')
            self.assertIn(f'pair {pair}, axis {"thw"[axis]}:', text)
            self.assertAlmostEqual(float(text.split('inv_freq ')[1]), inverse, delta=1e-5 * inverse)
            self.browser.press('ArrowRight')

    def test_hover_shows_values(self):
        model, messages = self.example('five')
        self.browser.open(self.page(model, messages))
        box = self.browser.value('(({x, y, width, height}) => ({x, y, width, height}))(document.querySelector(".cells canvas").getBoundingClientRect())')
        self.browser.move(box['x'] + box['width'] * 0.75, box['y'] + box['height'] * 0.5)
        self.assertIn('row 0, column 1', self.tip())
        self.assertIn('t 1  h 1  w 2', self.tip())

    def test_light_and_dark(self):
        model, messages = self.example('five')
        path = self.page(model, messages)
        ground = 'getComputedStyle(document.body).backgroundColor'
        shots = {}
        for dark in (False, True):
            self.browser.open(path, dark=dark)
            shots[dark] = self.browser.value(ground)
            self.assertGreater(self.contrast(), 4.5)
            self.assertTrue(self.browser.screenshot().startswith(b'\x89PNG'))
        self.assertNotEqual(shots[False], shots[True])
        self.browser.open(path, dark=False)
        self.browser.prefer(True)
        self.browser.wait_for(f'{ground} === {json.dumps(shots[True])}')
        self.browser.value('document.querySelector(\'input[name="theme"][value="light"]\').click()')
        self.assertEqual(self.browser.value(ground), shots[False], 'the choice of the reader wins')

    def contrast(self):
        """Of quiet text on the ground, WCAG 2."""
        return self.browser.value('''(() => {
            const light = color => { const [r, g, b] = color.match(/\\d+/g).map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
                return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
            const [a, b] = [light(getComputedStyle(document.querySelector('p')).color), light(getComputedStyle(document.body).backgroundColor)];
            return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        })()''')

    def test_hostile_tokens(self):
        directory = self.directory / 'hostile'
        directory.mkdir(exist_ok=True)
        model = examples.copy_model(directory / 'azimuth-tiny')
        messages = examples.write_messages(directory / 'messages.json',
                                           [examples.image('two.png')] + [examples.text(text) for text in HOSTILE])
        expected = examples.positions(AZIMUTH, model, messages)
        path = self.page(model, messages)
        self.browser.open(path)
        self.assertEqual(self.browser.value('data.reports[0]'), expected)
        self.assertEqual(self.browser.value('document.title'), 'Positions: mrope_i')
        self.assertEqual(self.browser.value('document.scripts.length'), 2)
        self.walk_the_list(expected)
        self.assertEqual(self.browser.value('document.title'), 'Positions: mrope_i')
        self.assertEqual(path.read_text().count('</script>'), 2)

    def test_loads_nothing(self):
        model, messages = self.example('five')
        text = self.page(model, messages).read_text()
        for marker in ('http:', 'https:', '@import', 'url('):
            self.assertNotIn(marker, text.replace('http://www.w3.org/2000/svg', ''), marker)
        self.assertIn("default-src 'none'", text)

    def test_narrow_windows_do_not_scroll_sideways(self):
        for name in ('five', 'large'):
            model, messages = self.example(name)
            self.browser.open(self.page(model, messages, '--compare', 'vanilla'), width=420, height=800)
            self.assertLessEqual(self.browser.value('document.documentElement.scrollWidth'), 420)


class Drawings(PageTest):
    def test_drawings_are_well_formed_and_show_the_ids(self):
        for name in ('five', 'large'):
            model, messages = self.example(name)
            path = self.directory / 'drawing.svg'
            subprocess.run([AZIMUTH, 'positions', model, '--messages', messages, '--svg', path], check=True)
            drawing = xml.dom.minidom.parse(str(path))
            texts = {node.firstChild.data for node in drawing.getElementsByTagName('text')}
            titles = {node.firstChild.data for node in drawing.getElementsByTagName('title')}
            expected = examples.positions(AZIMUTH, model, messages)
            for span in expected['spans']:
                last = expected['tokens'][span['end'] - 1]['position']
                if span['kind'] == 'text':
                    self.assertIn(number(last[0]), texts)
                    continue
                row, column = span['grid'][1] - 1, span['grid'][2] - 1
                self.assertIn(f'row {row}, column {column}: w {number(last[2])}', titles)
            self.browser.call('Page.navigate', url=f'file://{path}')
            self.browser.wait_for('document.documentElement.tagName === "svg"')


class Attention(PageTest):
    def test_numbers(self):
        command = [AZIMUTH, 'attend', examples.TINY, 'How many shapes are there?', '--image', examples.TINY / 'demo.png',
                   '--generated', '3', '--query', '5', '--query', '-1', '--json', '--html', self.directory / 'attend.html']
        expected = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        self.browser.open(self.directory / 'attend.html')
        self.assertEqual(self.browser.value('data.report'), expected)
        for which, query in enumerate(expected['queries']):
            self.browser.value(f'(() => {{ const box = document.getElementById("query"); box.value = {which}; box.dispatchEvent(new Event("change")); }})()')
            for layer, row in enumerate(query['layers']):
                for head, share in enumerate(row['visual_share']):
                    shown = self.browser.value(f'document.querySelector(\'[data-layer="{layer}"][data-head="{head}"]\').dataset.share')
                    self.assertEqual(float(shown), share)
        self.walk_the_cells(expected, len(expected['queries']) - 1)
        self.walk_the_table(expected)

    def walk_the_cells(self, expected, which):
        self.browser.value('shares.choose(1, 2)')
        self.focus('.cells')
        self.browser.press('Home')
        self.browser.press('PageUp')
        weights = expected['queries'][which]['layers'][1]['visual'][2]
        columns = expected['spans'][1]['grid'][2]
        for cell, weight in enumerate(weights):
            shown = self.browser.value('Number(document.querySelector(\'[data-now="weight"]\').textContent)')
            self.assertEqual(shown, weight)
            if cell % columns == columns - 1:
                self.browser.press('Home')
                self.browser.press('ArrowDown')
            else:
                self.browser.press('ArrowRight')

    def walk_the_table(self, expected):
        self.focus('.heat button')
        self.browser.press('Home')
        self.browser.press('PageUp')
        self.assertEqual(self.browser.value('[state.layer, state.head]'), [-1, -1])
        self.browser.press('ArrowDown', 2)
        self.browser.press('ArrowRight', 1)
        self.assertEqual(self.browser.value('[state.layer, state.head]'), [1, 0])
        self.assertEqual(self.browser.value('document.activeElement.ariaPressed'), 'true')
        rows = self.browser.value('[...document.querySelectorAll("#sinks tbody tr")].map(row => row.children[1].textContent)')
        self.assertEqual(rows, [str(sink['token']) for sink in expected['sinks']])

    def test_text_alone_has_no_picture(self):
        path = self.directory / 'attend.html'
        subprocess.run([AZIMUTH, 'attend', examples.TINY, HOSTILE[0], '--html', path], check=True)
        self.browser.open(path, dark=True)
        self.assertEqual(self.browser.value('document.title'), 'Attention of azimuth-tiny')
        self.assertIn('No picture', self.browser.value('document.getElementById("figures").textContent'))


if __name__ == '__main__':
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    AZIMUTH = str(pathlib.Path(sys.argv.pop(1)).resolve())
    unittest.main(verbosity=2)
