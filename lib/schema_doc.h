/* SPDX-License-Identifier: MIT */
/*
 * The schema table for people and for editors.
 */
#pragma once

#include <jansson.h>

/* Every key, by place, as scdoc text for the manual page; the caller frees. NULL: no memory. */
char *schema_reference(void);

/* JSON Schema (draft 2020-12) of a configuration file; a new reference. NULL: no memory. */
json_t *schema_json(void);
