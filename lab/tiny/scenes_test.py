"""Checks of the generator that need numpy alone: `python lab/tiny/scenes_test.py`."""
import sys
import unittest
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import scenes

SPRITES = scenes.Sprites(3, per_size=1)


def drawn(number, seed=0, **options):
    return [scenes.draw(np.random.default_rng([seed, i]), SPRITES, scenes.SIZES[i % len(scenes.SIZES)], **options)
            for i in range(number)]


class Scenes(unittest.TestCase):
    def test_the_same_seed_draws_the_same_scene(self):
        for a, b in zip(drawn(20), drawn(20)):
            self.assertTrue(np.array_equal(a.image, b.image))
            self.assertEqual(a.things, b.things)

    def test_held_out_pairs_are_drawn_only_when_asked_for(self):
        for scene in drawn(200, type="objects"):
            self.assertFalse({(t.colour, t.shape) for t in scene.things} & scenes.UNSEEN)
        for scene in drawn(50, type="objects", unseen=True):
            self.assertEqual(len({(t.colour, t.shape) for t in scene.things} & scenes.UNSEEN), 1)

    def test_a_thing_has_its_colour_at_its_centre(self):
        for scene in drawn(100, type="objects"):
            for t in (t for t in scene.things if t.shape in ("square", "circle", "cross")):
                pixel = scene.image[int(t.y), int(t.x)].astype(float)
                nearest = min(scenes.COLOURS, key=lambda c: min(abs(pixel - s).sum() for s in scenes.SHADES[c]))
                # contrast, noise and shade move a colour, seldom past another name
                distance = min(abs(pixel - s).sum() for s in scenes.SHADES[t.colour])
                self.assertTrue(nearest == t.colour or distance < 160, (t, pixel))

    def test_existence_is_answered_as_drawn(self):
        rng = np.random.default_rng(5)
        yes = 0
        for scene in drawn(300, type="objects"):
            question, answer = scenes.ask(scene, "existence", rng, 0)
            truth = any(f" {t.colour} {t.shape}?" in question for t in scene.things)
            self.assertEqual(answer, "yes" if truth else "no", question)
            yes += truth
        self.assertAlmostEqual(yes / 300, 0.5, delta=0.1)

    def test_left_or_right_goes_by_centres(self):
        rng = np.random.default_rng(6)
        for scene in drawn(100, type="objects", count=2):
            found = scenes.ask(scene, "left_or_right", rng, 0)
            if found:
                first, second = (next(t for t in scene.things if t.colour == c) for c in
                                 (found[0].split()[1], found[0].split()[-1].rstrip("?")))
                self.assertEqual(found[1], "left" if first.x < second.x else "right")


if __name__ == "__main__":
    unittest.main()
