#!/usr/bin/env python3
"""Whether files fit a JSON schema, as an editor would judge: schema_check.py SCHEMA FILE...

Prints a line for each file, "valid" or what is wrong. Debian's python3-jsonschema does the judging.
"""

import json
import sys

import jsonschema


def read(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


schema = read(sys.argv[1])
kind = jsonschema.validators.validator_for(schema)
kind.check_schema(schema)
validator = kind(schema)
for path in sys.argv[2:]:
    error = next(iter(validator.iter_errors(read(path))), None)
    print("valid" if error is None else f"{'.'.join(map(str, error.path))}: {error.message}".replace("\n", " "))
