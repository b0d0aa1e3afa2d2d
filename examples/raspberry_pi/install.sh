#!/usr/bin/env bash
# Installs what a Raspberry Pi needs to detect crying, without TensorFlow, into a
# folder of its own. In a checkout of this repository:
#
#     bash examples/raspberry_pi/install.sh [FOLDER] [--microphone]
#
# FOLDER is ~/cry unless given. --microphone adds what listening live needs.
set -euo pipefail

folder="$HOME/cry"
extras=""
for argument in "$@"; do
    case "$argument" in
        --microphone) extras="[microphone]" ;;
        -*) echo "usage: install.sh [FOLDER] [--microphone]" >&2; exit 2 ;;
        *) folder="$argument" ;;
    esac
done
repository="$(cd "$(dirname "$0")/../.." && pwd)"

if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "Python 3.11 or newer is needed, such as on Raspberry Pi OS Bookworm." >&2
    exit 1
fi
if [ "$(python3 -c 'import struct; print(struct.calcsize("P"))')" != 8 ]; then
    echo "A 64-bit system is needed: LiteRT has no wheels for 32 bits." >&2
    exit 1
fi

python3 -m venv "$folder"
"$folder/bin/pip" install --quiet "$repository$extras"
# Wheels of sounddevice hold no PortAudio for Linux.
if [ -n "$extras" ] && ! "$folder/bin/python" -c "import sounddevice" 2>/dev/null; then
    echo "PortAudio is missing: sudo apt install libportaudio2"
fi
"$folder/bin/cry-lite" --version
echo "installed: $folder/bin/cry-lite"
