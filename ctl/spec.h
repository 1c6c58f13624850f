/* SPDX-License-Identifier: MIT */
/*
 * What stands after -L and -R, as far as tunctl has to know it: which part of it is a path of this
 * machine. What it means is the daemon's to say (lib/forward_spec.h).
 */
#pragma once

enum spec_side {
	SPEC_LISTEN, /* -L: the first part may be a socket here */
	SPEC_TARGET, /* -R: the last part may be one */
};

/* The spec with that path made absolute: under directory, for "~/" under home. Anything else stays
 * as it is. The caller frees; NULL: out of memory. */
char *spec_absolute(const char *spec, enum spec_side side, const char *directory, const char *home);
