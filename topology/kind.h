/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a function is, in a word or two for people. */
#pragma once

#include "topology/decode.h"

/* "switch downstream port", "NVMe controller", "class 0b40" and so on; never NULL. */
void topo_kind_format(const struct topo_function *f, char out[static 40]);
