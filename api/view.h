/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Configuration space as a host sees it, or the whole fabric: read from the switch while the client
 * waits, and written as topology JSON, as a tree, or as a capture that lspci reads.
 */
#pragma once

#include <sys/queue.h>

struct api_call;
struct view;
LIST_HEAD(view_list, view);

/* GET /v1/hosts/ID?view=lspci|tree */
void view_host(struct api_call *call, const char *format);
