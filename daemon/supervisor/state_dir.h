/* SPDX-License-Identifier: MIT */
/*
 * What was added at run time: whole tunnels in DIR/added, forwards of tunnels that stand in a file
 * in DIR/forwards; one JSON file NAME.json for each tunnel, with the keys of the configuration.
 * Every function here blocks on the disk and belongs on an offload thread.
 */
#pragma once

#include "lib/config.h"

enum state_kind { STATE_TUNNEL, STATE_FORWARDS, STATE_KIND_COUNT };

/* Durable when it returns 0: whole and on the disk, or not there at all. */
int state_dir_write(const char *dir, enum state_kind kind, const char *name, const char *json,
		    struct err *err);
int state_dir_remove(const char *dir, enum state_kind kind, const char *name, struct err *err);
/* Keeps an added tunnel as it is, but with these forwards: an object with the keys local, remote
 * and dynamic. */
int state_dir_replace_forwards(const char *dir, const char *name, const char *json,
			       struct err *err);

/* Adds what is there to config. What cannot be read, no longer decodes or is in the way of what
 * stands in the configuration is left out, with a warning; -1 only without memory. */
int state_dir_load(const char *dir, struct config *config, struct strv *warnings, struct err *err);
