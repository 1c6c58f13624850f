/* SPDX-License-Identifier: MIT */
/*
 * What `tunctl add` sends: a tunnel as it would stand in tunneld.yaml, made of ssh's letters.
 */
#pragma once

#include "ctl/options.h"

/* A new reference; relative paths become absolute under directory, "~/" under home. NULL with f
 * filled. */
json_t *add_tunnel_object(const struct args *args, const char *directory, const char *home,
			  struct failure *f);
