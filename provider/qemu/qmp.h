/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QMP, the lines: what QEMU says, as structs, and what it is told, as text. Pure. QMP is one JSON
 * object per line; every line goes through the strict scan before json-c sees it, and each text in
 * it is bounded.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/own.h"
#include "common/result.h"

struct json_object;

enum {
	QMP_LINE_MAX = 1 << 20,
	QMP_NAME_MAX = 96,  /* of ids, types, properties */
	QMP_PATH_MAX = 256, /* of an object in QEMU's tree */
	QMP_FILE_MAX = 4096,
	QMP_TEXT_MAX = 200, /* of an error */
	QMP_LIST_MAX = 4096,
};

enum qmp_kind { QMP_GREETING, QMP_RETURN, QMP_ERROR, QMP_EVENT };

struct qmp_message {
	enum qmp_kind kind;
	uint64_t id;               /* of the command that is answered; 0: none */
	char name[QMP_NAME_MAX];   /* class of the error, name of the event */
	char text[QMP_TEXT_MAX];   /* of the error, without control characters; cut */
	char device[QMP_NAME_MAX]; /* of the event: the device's id; empty: none */
	char path[QMP_PATH_MAX];   /* of the event: its place in the tree */
	struct json_object *value; /* what is returned, or the event's data; borrowed from @tree */
	struct json_object *tree;
};

/* Lets go of the tree. */
void qmp_message_done(struct qmp_message *m);
OWNED_BY_VALUE(struct qmp_message, qmp_message_done)

/**
 * qmp_parse() - one line
 * @why: QMP_TEXT_MAX bytes; set on refusal
 *
 * Return: 0; -ENOMEM; REFUSE_SYNTAX: no JSON, or nothing that QMP says; REFUSE_TOO_LARGE.
 */
MUST_USE int qmp_parse(const char *line, size_t length, struct qmp_message *out, char *why);

/* What commands return. Each refuses (REFUSE_SYNTAX) what has not the form that QEMU's schema says.
 */

/* One member of qom-list that is a child: "dn0", "xio3130-downstream". */
struct qmp_child {
	char name[QMP_NAME_MAX];
	char type[QMP_NAME_MAX];
};

/* @out: the caller's to free(). Members that are no children, and names that are longer than can be
 * ours, are left out. */
MUST_USE int qmp_children(struct json_object *value, struct qmp_child **out, size_t *count);
/* A text; longer than @size: refused. */
MUST_USE int qmp_text(struct json_object *value, char *out, size_t size);
MUST_USE int qmp_bool(struct json_object *value, bool *out);

/* One back end with a medium, of query-block. */
struct qmp_block {
	char device[QMP_PATH_MAX]; /* the device's place in the tree; empty: none */
	char node[QMP_NAME_MAX];
	char file[QMP_FILE_MAX];
};

MUST_USE int qmp_blocks(struct json_object *value, struct qmp_block **out, size_t *count);
/* The nodes of query-named-block-nodes whose name begins with @prefix. */
MUST_USE int qmp_nodes(struct json_object *value, const char *prefix, struct qmp_child **out,
		       size_t *count);

/* One function of query-pci, bridges and what is behind them included. */
struct qmp_pci {
	uint8_t bus;
	uint8_t device;
	uint8_t function;
	uint16_t vendor;
	uint16_t product;
	uint32_t class_code; /* base class and sub-class, << 8 */
	bool is_bridge;
	uint8_t secondary;
	uint8_t subordinate;
};

MUST_USE int qmp_pci(struct json_object *value, struct qmp_pci **out, size_t *count);

/* Words of "xp /NxW": 32-bit values in the order of their addresses. Return: how many; at most
 * @most. */
size_t qmp_words(const char *text, uint32_t *out, size_t most);

/* What is told. Commands without arguments, or with some texts and nothing else. */
struct qmp_argument {
	const char *name; /* NULL ends them */
	const char *text; /* NULL: @flag */
	bool flag;
};

void qmp_command(struct buf *out, uint64_t id, const char *command,
		 const struct qmp_argument *arguments);
/* blockdev-add of a raw image; QEMU locks it as soon as a device uses it. */
void qmp_command_image(struct buf *out, uint64_t id, const char *node, const char *file);
