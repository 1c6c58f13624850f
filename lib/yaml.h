/* SPDX-License-Identifier: MIT */
/*
 * YAML text to a tree. Everything a document can do to its reader is bounded: bytes, depth, nodes,
 * and what aliases may multiply. Merge keys, tags and several documents in a file are refused.
 */
#pragma once

#include <stddef.h>

#include "lib/err.h"
#include "lib/node.h"

enum { YAML_BYTES_MAX = 1024 * 1024 };

/* The root of text; an empty document is a null scalar. file is what nodes and errors point to; it
 * must outlive the tree and may be NULL. NULL: err is set, with err->at. */
struct node *yaml_parse(const char *text, size_t length, const char *file, struct err *err);
