"""Prompts of 5 and of 5,000 tokens for the pages, made from the bundled model.

Positions need a tokenizer, a processor and a context length, but no weights, so a copy of the model's small files with
other limits is enough."""

import json
import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
TINY = ROOT / 'models' / 'azimuth-tiny'
PICTURES = ROOT / 'lab' / 'tiny' / 'pictures'

BARE_TEMPLATE = """{%- for message in messages -%}{%- for part in message.content -%}
{%- if part.type == 'image' -%}<|vision_start|><|image_pad|><|vision_end|>{%- else -%}{{ part.text }}{%- endif -%}
{%- endfor -%}{%- endfor -%}"""

PARAGRAPH = """Line {}: the ids of text go up by one from token to token. A picture takes as many tokens as it has cells, \
and what ids they get is what a position policy decides. Where do the ids of the text behind it go on?
"""


def copy_model(directory, context=8192, pixels=None, template=None):
    """The bundled model without weights; `pixels`: (least, most) area of a picture after resizing."""
    directory.mkdir(parents=True, exist_ok=True)
    for file in TINY.iterdir():
        shutil.copy(file, directory / file.name)
    config = json.loads((TINY / 'config.json').read_text())
    config['text_config']['max_position_embeddings'] = context
    (directory / 'config.json').write_text(json.dumps(config))
    if pixels:
        processor = json.loads((TINY / 'processor_config.json').read_text())
        for name in ('image_processor', 'video_processor'):
            processor[name]['size'] = {'shortest_edge': pixels[0], 'longest_edge': pixels[1]}
        (directory / 'processor_config.json').write_text(json.dumps(processor))
    if template:
        (directory / 'chat_template.jinja').write_text(template)
    return directory


def text(content):
    return {'type': 'text', 'text': content}


def image(name):
    return {'type': 'image', 'image': str(PICTURES / name)}


def write_messages(path, parts):
    path.write_text(json.dumps([{'role': 'user', 'content': parts}]))
    return path


def positions(azimuth, model, messages, *options):
    """What `azimuth positions --json` prints."""
    command = [azimuth, 'positions', model, '--messages', messages, '--json', *options]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def five_tokens(directory):
    """A marker, two cells, a marker and a question mark: (model, messages)."""
    model = copy_model(directory / 'azimuth-tiny', pixels=(1152, 1500), template=BARE_TEMPLATE)
    return model, write_messages(directory / 'messages.json', [image('wide.png'), text('?')])


def five_thousand_tokens(azimuth, directory):
    """Text, three pictures and a video; the last text is as long as it takes: (model, messages)."""
    model = copy_model(directory / 'azimuth-tiny', pixels=(6912, 1 << 22))
    parts = [
        text(''.join(PARAGRAPH.format(line) for line in range(8))),
        image('photo.jpg'),
        text('A photograph, and now something wide.\n'),
        image('wide.png'),
        text(''.join(PARAGRAPH.format(line) for line in range(8, 16))),
        image('bars.png'),
        text('Then a clip. '),
        {'type': 'video', 'video': [str(frame(index, directory)) for index in range(8)], 'fps': 2},
    ]
    messages = directory / 'messages.json'
    filler = 'Which of the pictures has the most colours? '

    def tokens(tail):
        write_messages(messages, parts + [text(tail)])
        return len(positions(azimuth, model, messages)['tokens'])

    without = tokens('.')
    step = tokens(filler + '.') - without
    tail = filler * ((5000 - without) // step)
    rest = 5000 - tokens(tail + '.')
    assert tokens(tail + '.' + '\n?' * (rest // 2) + '.' * (rest % 2)) == 5000
    return model, messages


def frame(index, directory):
    """Frame `index` of a clip: a disc that moves over squared paper. A plain BMP needs no image library."""
    side = 240
    rows = bytearray()
    for y in range(side):
        for x in range(side):
            inside = (x - 40 - 23 * index) ** 2 + (y - 150 + 12 * index) ** 2 < 32 ** 2
            paper = 214 if x % 24 == 0 or y % 24 == 0 else 244
            rows += bytes((60, 90, 210) if inside else (paper, paper, paper))
    header = b'BM' + (54 + len(rows)).to_bytes(4, 'little') + bytes(4) + (54).to_bytes(4, 'little')
    info = (40).to_bytes(4, 'little') + side.to_bytes(4, 'little') * 2 + (1).to_bytes(2, 'little')
    path = directory / f'frame{index}.bmp'
    path.write_bytes(header + info + (24).to_bytes(2, 'little') + bytes(24) + bytes(rows))
    return path
