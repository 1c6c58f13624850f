/* SPDX-License-Identifier: MIT */
/*
 * Tunnels that were added at run time: one JSON file each in DIR/added, NAME.json with the keys of
 * a tunnel. Every function here blocks on the disk and belongs on an offload thread.
 */
#pragma once

#include "lib/config.h"

/* Durable when it returns 0: whole and on the disk, or not there at all. */
int state_dir_write(const char *dir, const char *name, const char *json, struct err *err);
int state_dir_remove(const char *dir, const char *name, struct err *err);

/* Adds what is there to config. What cannot be read, no longer decodes or has a name that stands in
 * the configuration is left out, with a warning; -1 only without memory. */
int state_dir_load(const char *dir, struct config *config, struct strv *warnings, struct err *err);
