# shellcheck shell=bash
# The LCD on a simulated I2C bus (the kernel's i2c-stub, which logs every byte): the bytes of its initialisation and
# first text are exactly those of the data sheet, a tap is shown, and the end is empty and dark.

modinfo i2c-stub >/dev/null 2>&1 || skip "the kernel has no i2c-stub"
modprobe -r i2c-stub 2>/dev/null || true
modprobe i2c-stub chip_addr=0x27
[[ ! -w /proc/dynamic_debug/control ]] || echo 'module i2c_stub +p' >/proc/dynamic_debug/control
bus=''
for adapter in /sys/bus/i2c/devices/i2c-*; do
    if grep -q 'SMBus stub' "$adapter/name"; then
        bus=${adapter##*-}
    fi
done
[[ -n $bus ]] || fail "the simulated bus has no number"
wait_for 30 "the simulated bus has a node" test -c "/dev/i2c-$bus"

# The bytes sent to the LCD, in hex, one a line.
lcd_bytes() {
    dmesg | sed -n 's/.*smbus byte - addr 0x27, wrote 0x\([0-9a-f]*\)\..*/\1/p'
}

# Looks at them with a Python program, which has `sent`, and `pictures`: what the LCD showed after each character, by
# a model of it that shares nothing with the program.
look_at_lcd() { # PROGRAM [ARGUMENT...]
    local program=$1
    shift
    lcd_bytes | python3 -c "
import sys
sent = [int(line, 16) for line in sys.stdin]
pictures, ram, at, half, enabled, eight = [], {}, 0, None, 0, True
for pins in sent:
    if enabled and not pins & 4:
        nibble, rs = enabled >> 4, enabled & 1
        if eight:
            eight = nibble != 2
        elif half is None:
            half = nibble
        else:
            byte, half = half << 4 | nibble, None
            if rs:
                ram[at], at = byte, at + 1
                line = lambda n: ''.join(chr(ram.get(n + c, 32)) for c in range(16)).rstrip()
                pictures.append((line(0), line(64)))
            elif byte & 0x80:
                at = byte & 0x7f
            elif byte == 1:
                ram, at = {}, 0
    enabled = pins if pins & 4 else 0
$program" "$@"
}

configure "{\"lcd_settings\": {\"i2c_addr\": 39, \"i2c_bus\": $bus, \"backlight\": true}}"
server_on
wait_for 30 "the log names the LCD" logged 0 "LCD on /dev/i2c-$bus at 0x27"
wait_for 60 "the card reader is found" reader_ready

beginning='08 3c 38 3c 38 3c 38 2c 28 2c 28 8c 88 0c 08 cc c8 0c 08 1c 18 0c 08 6c 68'
# Cursor to the first cell; "FaceTap", RS up: 46 61 63 65 54 61 70.
beginning+=' 88 8c 88 0c 08 49 4d 49 6d 69 6d 69 1d 19 6d 69 3d 39 6d 69 5d 59 5d 59 4d 49 6d 69 1d 19 7d 79 0d 09'
wait_for 30 "the LCD is asked to touch a card" look_at_lcd '
assert pictures and pictures[-1][0] == "Touch Card", pictures[-1:]'
begun=$(lcd_bytes | sed -n "1,$(wc -w <<<"$beginning")p" | paste -sd ' ')
[[ $begun == "$beginning" ]] || fail "the LCD was begun with $begun"

tap 012E44A7A5185C07
wait_for 60 "the LCD shows the tap and asks for the next" look_at_lcd '
import re
assert any(first == "Counted" for first, _ in pictures), pictures[-20:]
assert pictures[-1][0] == "Touch Card", pictures[-1]
assert re.fullmatch(r"\d\d:\d\d +Q:\d+", pictures[-1][1]), pictures[-1]'
note "$(lcd_bytes | wc -l) bytes"

systemctl stop facetap
[[ $(lcd_bytes | tail -n 5 | paste -sd ' ') == '0c 08 1c 18 00' ]] ||
    fail "the LCD was left with $(lcd_bytes | tail -n 5 | paste -sd ' ')"
# Unplugged, for the steps that follow.
rm -f /run/facetap-scenario/configured
configure
modprobe -r i2c-stub
