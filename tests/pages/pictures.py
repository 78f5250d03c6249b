#!/usr/bin/env python3
"""Writes the pictures of docs/inspector.md: the pages at 5 and at 5,000 tokens, light and dark.

    pictures.py AZIMUTH DIRECTORY
"""

import pathlib
import subprocess
import sys
import tempfile

import examples
from browser import Browser

WIDTH = 1280
LIMIT = 200_000  # bytes of a picture
# name: (example, options of positions, address, height)
POSITIONS = {
    '5': ('five', (), 'token=2', 800),
    '5000': ('large', (), 'token=1200', 1000),
    'compare': ('large', ('--compare', 'videorope'), 'token=1200', 1000),
}
ATTEND_HEIGHT = 900


def main(azimuth, directory):
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix='azimuth-pages-') as temporary, Browser() as browser:
        temporary = pathlib.Path(temporary)
        for name in ('five', 'large'):
            (temporary / name).mkdir()
        models = {'five': examples.five_tokens(temporary / 'five'),
                  'large': examples.five_thousand_tokens(azimuth, temporary / 'large')}
        page = temporary / 'page.html'

        def shoot(name, address, height):
            for theme in ('light', 'dark'):
                browser.open(page, address, WIDTH, height, dark=theme == 'dark')
                picture = browser.screenshot()
                if len(picture) >= LIMIT:
                    raise SystemExit(f'{name}-{theme}: expected less than {LIMIT} bytes, found {len(picture)}')
                (directory / f'{name}-{theme}.png').write_bytes(picture)

        for name, (example, options, address, height) in POSITIONS.items():
            model, messages = models[example]
            subprocess.run([azimuth, 'positions', model, '--messages', messages, '--html', page, *options], check=True)
            shoot(name, address, height)
        subprocess.run([azimuth, 'attend', examples.TINY, 'How many shapes are there?', '--image',
                        examples.TINY / 'demo.png', '--generated', '1', '--html', page], check=True)
        shoot('attend', 'layer=2&head=3', ATTEND_HEIGHT)


if __name__ == '__main__':
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(str(pathlib.Path(sys.argv[1]).resolve()), pathlib.Path(sys.argv[2]))
