/* SPDX-License-Identifier: MIT */
/*
 * Where a proxy's clients may go: a list of rules, each `HOST:PORT`. HOST is a name, a name with a
 * `*.` in front (every name below it), an address, a network (`10.0.0.0/8`, `[fd00::]/8`) or `*`;
 * PORT is a number, a range (`8000-8010`) or `*`. `any` is `*:*`. Names are compared without case
 * and a final dot; a rule with an address or network is about destinations given as addresses, in
 * whatever spelling, and never about what a name stands for, which only the far side knows.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/util.h"

int allow_check(const char *rule, struct err *err); /* ERR_CONFIG */
/* An empty list allows everything. */
bool allow_matches(const struct strv *rules, const char *host, uint16_t port);
