#!/bin/sh
# Prints which responder answers.
printf 'Content-Type: text/plain\n\nhello from %s, process %s\n' "$RESPONDER" "$$"
