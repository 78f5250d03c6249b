"""Writes models/azimuth-tiny/evaluation: 200 questions about scenes of evaluate.py with their answers, as committed
pictures, so that `azimuth bench --accuracy` can ask them without Python.

    python lab/tiny/evaluation_set.py        # numpy and Pillow are enough; run it from the repository root
"""
import json
import shutil
from pathlib import Path

import evaluate

OUT = Path("models/azimuth-tiny/evaluation")
QUESTIONS = 200


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    items = evaluate.draw(QUESTIONS // 2, OUT)[:QUESTIONS]
    used = {Path(item["image"]).name for item in items}
    for path in OUT.glob("*.png"):
        if path.name not in used:
            path.unlink()
    lines = [json.dumps({"image": Path(i["image"]).name, "kind": i["kind"], "question": i["question"],
                         "answer": i["answer"]}) for i in items]
    (OUT / "questions.json").write_text("[\n  " + ",\n  ".join(lines) + "\n]\n")
    print(f"{len(items)} questions about {len(used)} pictures in {OUT}")


if __name__ == "__main__":
    main()
