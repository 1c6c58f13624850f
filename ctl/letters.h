/* SPDX-License-Identifier: MIT */
/*
 * What ssh's letters on the command line of `add`, `forward` and `import` mean in tunneld.yaml.
 */
#pragma once

#include "ctl/options.h"
#include "lib/util.h"

/* A new reference; relative paths become absolute under directory, "~/" under home. NULL with f
 * filled. */
typedef json_t *letters_fn(const struct args *args, const char *directory, const char *home,
			   struct failure *f);

letters_fn letters_tunnel; /* a tunnel to the host of the second operand */
letters_fn letters_forwards; /* its keys local, remote and dynamic only; at least one */

/* The same as letters_tunnel(), but what it cannot carry becomes a line in comments. */
json_t *letters_import(const struct args *args, const char *directory, const char *home,
		       struct strv *comments, struct failure *f);

/* What Add and ForwardAdd are sent: {"name": first operand, KEY: what either of them reads here}. */
json_t *letters_parameters(const struct args *args, const char *key, letters_fn *read,
			   struct failure *f);
