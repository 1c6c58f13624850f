/* SPDX-License-Identifier: MIT */
/*
 * `tunneld --check`: reads a configuration and says what is wrong with it, and what is right but means
 * less than its author may think.
 */
#pragma once

#include <stdbool.h>

#include "daemon/supervisor/load.h"

/* False: there are mistakes, and they were printed. */
bool check_config(const struct load_source *source);
/* Each on a line of standard error. */
void check_print_problems(const struct config_problems *problems);
