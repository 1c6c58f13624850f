/* SPDX-License-Identifier: MIT */
/*
 * What ssh's letters on the command line of `add` and `forward` mean in tunneld.yaml.
 */
#pragma once

#include "ctl/options.h"

/* A new reference; relative paths become absolute under directory, "~/" under home. NULL with f
 * filled. */
typedef json_t *letters_fn(const struct args *args, const char *directory, const char *home,
			   struct failure *f);

letters_fn letters_tunnel; /* a tunnel to the host of the second operand */
letters_fn letters_forwards; /* its keys local, remote and dynamic only; at least one */

/* Either of them, for where we stand. */
json_t *letters_here(letters_fn *read, const struct args *args, struct failure *f);
