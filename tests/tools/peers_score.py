"""How well the boxes of a trace fit the truth about a clip, and how old they were. Standard library only.

The trace is that of `facetap run --trace`, or of a peer (peer.py), while the clip played over and over at its own rate.
One rule for all of them: for a picture without a line of its own, the program's boxes are those of its last line
before, for a quarter of a second. So who looks less often is judged by what it knew meanwhile, or by what it predicted: a
box without a score was not seen in that picture, and a line with such boxes only is not the result of a look.
"""

import json

SAME_FACE = 0.4
HELD_S = 0.25


def read_trace(path):
    """The lines about pictures; the last one may be cut off."""
    lines = []
    with open(path, encoding="utf-8") as trace:
        for line in trace:
            try:
                line = json.loads(line)
            except ValueError:
                break
            if "frame" in line:
                lines.append(line)
    return lines


def overlap(a, b):
    """Intersection over union of two boxes (x, y, w, h, ...)."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / (a[2] * a[3] + b[2] * b[3] - width * height)


def match(boxes, faces):
    """Which face each box is, {face: box} by number; the closest pairs first."""
    pairs = [(overlap(box, face), f, b) for b, box in enumerate(boxes) for f, face in enumerate(faces)]
    found, taken = {}, set()
    for fit, face, box in sorted(pairs, reverse=True):
        if fit >= SAME_FACE and face not in found and box not in taken:
            found[face] = box
            taken.add(box)
    return found


def percentile(values, share):
    """The smallest of the values that so large a share of them does not exceed; None without values."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * share // 100) - 1)] if ordered else None


def in_sequence(lines, pictures):
    """The lines by the number of their picture since the clip first began."""
    passes, before, by_number = 0, -1, {}
    for line in lines:
        passes += line["frame"] <= before
        before = line["frame"]
        by_number[passes * pictures + before] = line
    return by_number


def is_a_look(line):
    """Whether faces were looked for in the picture, as far as its line tells."""
    return not line["faces"] or any(face.get("score", 1) is not None for face in line["faces"])


def score(lines, truth, pictures, rate, first_s, seconds):
    """Figures of the lines from `first_s` after the first picture on, `seconds` long.

    recall and recall_largest (None if there is no face), precision (None if there is no box), looked: the part of the
    pictures with the result of a look of their own; age of that and command_age: milliseconds at p50 and p99.
    """
    begin = lines[0]["t"] + first_s
    by_number = in_sequence(lines, pictures)
    chosen = [n for n, line in by_number.items() if begin <= line["t"] < begin + seconds]
    faces_in = faces_found = largest_in = largest_found = boxes_in = boxes_right = 0
    for number in range(min(chosen), max(chosen) + 1):
        line = next((by_number[n] for n in range(number, number - int(HELD_S * rate) - 1, -1) if n in by_number), None)
        boxes = [(f["x"], f["y"], f["w"], f["h"]) for f in line["faces"]] if line else []
        faces = truth.get(number % pictures, [])
        found = match(boxes, faces)
        counting = [n for n, face in enumerate(faces) if face[4]]
        faces_in += len(counting)
        faces_found += sum(n in found for n in counting)
        if counting:
            largest_in += 1
            largest_found += max(counting, key=lambda n: faces[n][2] * faces[n][3]) in found
        # A box of a face that does not count is neither right nor wrong.
        boxes_right += sum(n in found for n in counting)
        boxes_in += len(boxes) - sum(n in found for n in range(len(faces)) if n not in counting)
    looks = [n for n in chosen if is_a_look(by_number[n])]
    ages = [by_number[n]["age_ms"] for n in looks]
    command_ages = [a for n in chosen if (a := by_number[n]["command_age_ms"]) is not None]
    return {
        "recall_largest": largest_found / largest_in if largest_in else None,
        "recall": faces_found / faces_in if faces_in else None,
        "precision": boxes_right / boxes_in if boxes_in else None,
        "looked": len(looks) / (max(chosen) + 1 - min(chosen)),
        "age_p50": percentile(ages, 50), "age_p99": percentile(ages, 99),
        "command_age_p50": percentile(command_ages, 50), "command_age_p99": percentile(command_ages, 99),
    }


def prove_the_score():
    """Traces whose figures are known; a score that gets them wrong is worth nothing."""
    big, small, beside = (10.0, 10.0, 100.0, 100.0), (300.0, 10.0, 40.0, 40.0), (70.0, 10.0, 100.0, 100.0)
    truth = {n: [(*big, True), (*small, True)] for n in range(10)}
    truth[9] = [(*small, False)]

    def of(boxes_by_number, **given):
        lines = [{"frame": n % 10, "t": n / 10, "age_ms": float(n), "command_age_ms": None,
                  "faces": [dict(zip("xywh", box)) for box in boxes]} for n, boxes in boxes_by_number]
        return score(lines, truth, 10, 10.0, given.get("first_s", 0.0), given.get("seconds", 10.0))

    both = of([(n, [small, big]) for n in range(20)])
    # The big box of picture 9 is wrong, the small one there does not count; 2 of 38 boxes left.
    assert both["recall"] == both["recall_largest"] == both["looked"] == 1.0 and both["precision"] == 36 / 38, both
    assert (both["age_p50"], both["age_p99"], both["command_age_p99"]) == (9.0, 19.0, None), both
    one = of([(n, [small]) for n in range(9)])
    assert one["recall"] == 0.5 and one["recall_largest"] == 0.0 and one["precision"] == 1.0, one
    wrong = of([(n, [beside]) for n in range(9)])
    assert wrong["recall"] == wrong["precision"] == 0.0, wrong
    # Every third picture is looked at, the others have what was known; two pictures are within a quarter of a second.
    seldom = of([(n, [big, small]) for n in (0, 3, 6, 8)])
    assert seldom["recall"] == 1.0 and seldom["looked"] == 4 / 9, seldom
    gap = of([(n, [big, small]) for n in (0, 4, 8)])
    assert gap["recall"] == 7 / 9, gap
    # A box without a score was predicted: it counts as a box, and not as a look.
    predicted = [{"frame": n, "t": n / 10, "age_ms": 1.0 if n % 2 else 9.0, "command_age_ms": None,
                  "faces": [{**dict(zip("xywh", big)), "score": None if n % 2 else 0.9}]} for n in range(8)]
    half = score(predicted, truth, 10, 10.0, 0.0, 10.0)
    assert half["recall_largest"] == 1.0 and half["looked"] == 0.5 and half["age_p50"] == 9.0, half
    # Nothing before the window counts, and nothing behind it.
    late = of([(n, [] if n < 3 or n > 6 else [big, small]) for n in range(9)], first_s=0.3, seconds=0.4)
    assert late["recall"] == 1.0, late
    assert of([(n, []) for n in range(9)])["precision"] is None


if __name__ == "__main__":
    prove_the_score()
    print("the score of each made-up trace is as it is known to be")
