#!/bin/sh
# Says who answers.
printf 'Content-Type: text/plain\n\nhello from %s, process %s\n' "$RESPONDER" "$$"
