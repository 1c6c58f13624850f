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

/* What Add and ForwardAdd are sent: {"name": first operand, KEY: what either of them reads here}. */
json_t *letters_parameters(const struct args *args, const char *key, letters_fn *read,
			   struct failure *f);
