/* SPDX-License-Identifier: MIT */
/*
 * The way to a file of ours. A fresh account has no ~/.local/state yet, and whoever starts tunneld
 * for the first time should not have to make it.
 */
#pragma once

#include "lib/err.h"

/* As `mkdir -p $(dirname path)`: what exists keeps its mode, what is made gets 0755. */
int directory_make_parents(const char *path, struct err *err);
