"""The main job on real input: an official OpenAI client asks a server of ours a question by voice.

Starts ``antiphon serve`` with its packaged engines, unless the URL of a server is given, streams a recording at real
pace through the ``openai`` package, prints what was heard and answered with a latency table, and writes the spoken
answer as a WAV. Then the answer's own transcription, by the same server, is compared with its text.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import openai

from antiphon.text.wer import word_errors

ROOT = Path(__file__).resolve().parent.parent
QUESTION = ROOT / "tests" / "audio" / "spk1_snt5.wav"
MOST_WER = 0.15


def main(urls: list[str]) -> int:
    """Run the demo against the server that is given, or against one of its own; returns the exit code."""
    out = ROOT / "demo" / "answer.wav"
    if urls:
        return ask(urls[0], out)
    with tempfile.TemporaryFile("w+") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "antiphon", "serve", "--port", "0"], stdout=subprocess.PIPE, stderr=log, text=True
        )
        try:
            assert server.stdout is not None
            print("starting antiphon serve (the first start fetches about 250 MB of weights) ...", flush=True)
            ready = server.stdout.readline().split()
            if not ready:
                log.seek(0)
                print(log.read())
                return 1
            url = ready[-1]
            return ask(url, out)
        finally:
            server.terminate()
            server.wait(30)


def ask(url: str, out: Path) -> int:
    """Ask by voice, and keep the answer."""
    print(f"server at {url}; asking with {QUESTION.relative_to(ROOT)}\n", flush=True)
    talk = [sys.executable, "-m", "antiphon", "talk", str(QUESTION), "--url", url, "--out", str(out)]
    talked = subprocess.run(talk, check=False)
    return talked.returncode or check(url, out)


def check(url: str, out: Path) -> int:
    """Let the server listen to its own answer."""
    text = out.with_suffix(".txt").read_text("utf-8")
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none")
    with out.open("rb") as file:
        heard = client.audio.transcriptions.create(file=file, model="whisper-1", language="en").text
    wer = word_errors(text, heard).rate
    print(f"the answer, heard by our own speech to text: {heard.strip()}")
    print(f"word error rate of the round trip: {wer:.1%} (at most {MOST_WER:.0%})")
    return 0 if wer <= MOST_WER else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
