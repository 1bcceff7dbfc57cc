# shellcheck shell=bash
# Shortly after the boot a time server is heard.

synchronise
wait_for 60 "the card reader is found" reader_ready
