/* SPDX-License-Identifier: MIT */
/*
 * What can be wrong with the text of a YAML file, in words for people. Private to yaml*.c.
 */
#pragma once

#include <stddef.h>
#include <yaml.h>

#include "lib/err.h"

/* Size, UTF-8, control characters and directives, before libyaml sees any of it. */
int yaml_text_check(struct err *err, const char *text, size_t length, const char *file,
		    size_t bytes_max, unsigned directives_max);

/* Fills err from what made the parser stop. */
void yaml_problem_set(struct err *err, const yaml_parser_t *parser, const char *file);
