"""A headless Chromium, driven through its DevTools protocol over a pipe: the standard library is enough."""

import base64
import collections
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

DEADLINE = 60.0  # seconds for one answer


class Browser:
    """`with Browser() as browser:`; one page at a time."""

    def __init__(self):
        program = shutil.which('chromium') or shutil.which('chromium-browser')
        if program is None:
            raise SystemExit('expected the program chromium, found none; run scripts/setup.sh pages')
        self.profile = tempfile.TemporaryDirectory(prefix='azimuth-pages-', ignore_cleanup_errors=True)
        to_browser, self.commands = os.pipe()
        self.answers, from_browser = os.pipe()

        def place_pipes():
            # Chromium reads commands from descriptor 3 and answers on 4. Copies first: the numbers may be in use.
            ends = os.dup(to_browser), os.dup(from_browser)
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        self.process = subprocess.Popen(
            [program, '--headless=new', '--no-sandbox', '--disable-gpu', '--hide-scrollbars', '--no-first-run',
             '--disable-background-networking', '--disable-dev-shm-usage', '--force-color-profile=srgb',
             f'--user-data-dir={self.profile.name}', '--remote-debugging-pipe', 'about:blank'],
            preexec_fn=place_pipes, close_fds=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self.buffer = b''
        self.number = 0
        self.session = None
        self.events = collections.deque()
        self.problems = []  # what a person would see as errors in the console
        page = next(t for t in self.call('Target.getTargets')['targetInfos'] if t['type'] == 'page')
        attached = self.call('Target.attachToTarget', targetId=page['targetId'], flatten=True)
        self.session = attached['sessionId']
        for domain in ('Page', 'Runtime', 'Log'):
            self.call(f'{domain}.enable')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        os.close(self.commands)
        os.close(self.answers)
        self.profile.cleanup()

    # ---- the protocol

    def _receive(self, deadline):
        while b'\0' not in self.buffer:
            ready, _, _ = select.select([self.answers], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError('Chromium did not answer in time')
            data = os.read(self.answers, 1 << 20)
            if not data:
                raise ConnectionError('Chromium ended')
            self.buffer += data
        message, _, self.buffer = self.buffer.partition(b'\0')
        return json.loads(message)

    def _note(self, message):
        method, details = message.get('method'), message.get('params', {})
        if method == 'Runtime.exceptionThrown':
            self.problems.append(details['exceptionDetails'].get('exception', {}).get('description', 'exception'))
        elif method == 'Runtime.consoleAPICalled' and details['type'] in ('error', 'warning', 'assert'):
            self.problems.append(str([argument.get('value') for argument in details['args']]))
        elif method == 'Log.entryAdded' and details['entry']['level'] in ('error', 'warning'):
            self.problems.append(details['entry']['text'])
        self.events.append(method)

    def call(self, method, **parameters):
        self.number += 1
        message = {'id': self.number, 'method': method, 'params': parameters}
        if self.session:
            message['sessionId'] = self.session
        os.write(self.commands, json.dumps(message).encode() + b'\0')
        deadline = time.monotonic() + DEADLINE
        while True:
            answer = self._receive(deadline)
            if answer.get('id') != self.number:
                self._note(answer)
            elif 'error' in answer:
                raise RuntimeError(f'{method}: {answer["error"]}')
            else:
                return answer['result']

    # ---- pages

    def open(self, path, address='', width=1400, height=1000, dark=False):
        """Loads a page. `dark`: the system prefers it. `address` is what stands behind the #."""
        self.problems.clear()
        self.call('Emulation.setDeviceMetricsOverride', width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.prefer(dark)
        self.call('Page.navigate', url='about:blank')
        self.call('Page.navigate', url=f'file://{path}{"#" + address if address else ""}')
        self.wait_for('document.documentElement?.dataset.ready === "yes"')
        self.wait_for('[...pictures.values()].every(image => image.complete)')

    def prefer(self, dark):
        self.call('Emulation.setEmulatedMedia',
                  features=[{'name': 'prefers-color-scheme', 'value': 'dark' if dark else 'light'}])

    def wait_for(self, condition):
        deadline = time.monotonic() + DEADLINE
        while not self.value(condition):
            if time.monotonic() > deadline:
                raise TimeoutError(f'never true: {condition}; console: {self.problems}')
            time.sleep(0.02)

    def value(self, expression):
        """The value of a JavaScript expression, through JSON."""
        result = self.call('Runtime.evaluate', expression=expression, returnByValue=True, awaitPromise=True)
        if 'exceptionDetails' in result:
            raise RuntimeError(result['exceptionDetails']['exception']['description'])
        return result['result'].get('value')

    def press(self, key, times=1, shift=False):
        codes = {'Tab': 9, 'Enter': 13, 'Escape': 27, 'PageUp': 33, 'PageDown': 34, 'End': 35, 'Home': 36,
                 'ArrowLeft': 37, 'ArrowUp': 38, 'ArrowRight': 39, 'ArrowDown': 40}
        text = {'text': key} if len(key) == 1 else {'text': '\r'} if key == 'Enter' else {}
        for _ in range(times):
            event = {'key': key, 'code': key, 'windowsVirtualKeyCode': codes.get(key, ord(key[0].upper())),
                     'modifiers': 8 if shift else 0}
            self.call('Input.dispatchKeyEvent', type='keyDown', **event, **text)
            self.call('Input.dispatchKeyEvent', type='keyUp', **event)

    def type(self, text):
        self.call('Input.insertText', text=text)

    def move(self, x, y):
        self.call('Input.dispatchMouseEvent', type='mouseMoved', x=x, y=y)

    def screenshot(self):
        return base64.b64decode(self.call('Page.captureScreenshot', format='png')['data'])
