#!/usr/bin/env python3
"""Opens the report of a run in a headless browser: the page loads nothing, its charts are drawn, and
it fits on a phone.

The arguments are the program `cspark-batch`, a browser, and a directory for screenshots. The
emulator's URL is in the environment, as CSPARK_BASE_URL.
"""

import re
import subprocess
import sys
from pathlib import Path

PROGRAM, BROWSER, DIRECTORY = sys.argv[1], sys.argv[2], Path(sys.argv[3])
# Says in the title how wide the content is, since no page of the browser's own can be asked.
PROBE = (
    "<script>document.title = [document.documentElement.scrollWidth, innerWidth, "
    "...[...document.querySelectorAll('svg')].map(svg => svg.getBoundingClientRect().height > 50)]"
    ".join(' ')</script>"
)


def browse(page, *options):
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", *options, page.as_uri()]
    return subprocess.run(command, check=True, text=True, capture_output=True, timeout=60).stdout


rows = [f"{1 if n % 40 else -n},{n}" for n in range(1, 20_001)]
(DIRECTORY / "in.csv").write_text("radius,height\n" + "\n".join(rows) + "\n")
page = DIRECTORY / "report.html"
run = [PROGRAM, "run", "my-folder/volume-cylinder", "--quiet", "--report", page]
subprocess.run([*run, "--input", "in.csv", "--output", "out.jsonl"], cwd=DIRECTORY, check=True, timeout=120)

html = page.read_text()
assert "http" not in re.sub(r'<dd>.*?</dd>', "", html), "the page refers to something outside"
probed = DIRECTORY / "probed.html"
probed.write_text(html.replace("</body>", f"{PROBE}</body>"))
for name, options in {
    "light": ["--window-size=1200,1600"],
    "dark": ["--window-size=1200,1600", "--blink-settings=preferredColorScheme=0"],
    # The narrowest window that the browser opens is 500 wide, so a phone is a frame.
    "phone": ["--window-size=500,2600"],
}.items():
    shown = page
    dom = browse(probed, "--dump-dom", *options)
    if name == "phone":
        shown = DIRECTORY / "phone.html"
        frame = '<body style="margin:0"><iframe src="{}" width="390" height="2590" style="border:0"></iframe>'
        shown.write_text(frame.format("report.html"))
        probed_frame = DIRECTORY / "probed_phone.html"
        probed_frame.write_text(
            frame.format("probed.html")
            + "<script>onload = () => document.title = frames[0].document.title</script>"
        )
        dom = browse(probed_frame, "--dump-dom", "--allow-file-access-from-files", *options)
    width, window, *drawn = re.search(r"<title>(.*?)</title>", dom)[1].split()
    assert int(width) <= int(window), f"{name}: the content is {width} wide in a window of {window}"
    assert name != "phone" or window == "390", window
    assert len(drawn) >= 4 and set(drawn) == {"true"}, f"{name}: charts {drawn}"
    browse(shown, f"--screenshot={DIRECTORY / name}.png", *options)
    assert (DIRECTORY / f"{name}.png").stat().st_size > 10_000
    print(f"{name}: {width} wide, {len(drawn)} charts")
assert "radius must not be negative" in dom or "radius must not be negative" in html
