/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Documents out of structs. A resource is a table of fields; the table renders the object, finds
 * the fields that a list may be filtered by, and says what its ETag covers.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/json.h"
#include "fabricd/fabric.h"

struct api_call;
struct problem;
struct ticket;

enum value_kind { VALUE_NULL, VALUE_TEXT, VALUE_NUMBER, VALUE_BOOL };

struct value {
	enum value_kind kind;
	const char *text; /* borrowed, or @room */
	uint64_t number;  /* VALUE_BOOL: 0 or 1 */
	char room[128];
};
void value_text(struct value *v, const char *text); /* "" and NULL: null */
void value_number(struct value *v, uint64_t number);
void value_number_or_null(struct value *v, uint64_t number); /* 0: null */
void value_hex4(struct value *v, uint16_t id);               /* "8086" */
void value_bool(struct value *v, bool b);
void value_time(struct value *v, uint64_t wall_ms); /* 0: null */

struct field {
	const char *name;
	/* A scalar, which lists may be filtered by; or */
	void (*get)(const struct fabric *f, const void *object, struct value *out);
	/* anything else. */
	void (*write)(const struct fabric *f, const void *object, struct buf *out);
	/* It changes by itself, with every beat: not covered by the ETag, which is for If-Match. */
	bool moves;
	/* Long: in the object by itself, not in lists. */
	bool alone;
};

struct resource {
	const char *name;           /* "functions" */
	const struct field *fields; /* the first is "id"; ends with one without a name */
	int missing;                /* the refusal when there is none of that id */
	const void *(*find)(const struct fabric *f, const char *id);
	/* The list that they are among, sorted by id, naturally. */
	size_t (*count)(const struct fabric *f);
	const void *(*at)(const struct fabric *f, size_t i);
	/* Is it one of them? NULL: all in the list are. */
	bool (*has)(const void *object);
};

/* count() and at() over one of the fabric's lists. */
#define RESOURCE_LIST(name, list)                                      \
	static size_t name##_count(const struct fabric *f)             \
	{                                                              \
		size_t count = 0;                                      \
                                                                       \
		(void)list(f, &count);                                 \
		return count;                                          \
	}                                                              \
	static const void *name##_at(const struct fabric *f, size_t i) \
	{                                                              \
		size_t count = 0;                                      \
                                                                       \
		return list(f, &count)[i];                             \
	}

/* @hash: of what was written, but for fields that move by themselves. */
void resource_write(const struct resource *resource, const struct fabric *f, const void *object,
		    struct buf *out, uint64_t *hash);
const void *resource_find(const struct resource *resource, const struct fabric *f, const char *id);

/* The object of a GET with an id; @param: a parameter that was looked at, NULL: none. */
void resource_one_get(struct api_call *call, const struct resource *resource, const char *param);
/* The whole of a GET: with an id the object, else a page. */
void resource_get(struct api_call *call, const struct resource *resource);

extern const struct resource resource_hosts;
extern const struct resource resource_switches;
extern const struct resource resource_ports;
extern const struct resource resource_adapters;
extern const struct resource resource_functions;
extern const struct resource resource_assignments;
extern const struct resource resource_changes;
extern const struct resource resource_incidents;
extern const struct resource resource_profiles;

/* What several of them need. */
uint64_t resource_number_parse(const char *text); /* decimal, without leading zeros; 0: it is not */
void identity_write(const struct identity *id, struct buf *out);
void identity_member(struct buf *out, const char *key, const struct identity *id);
const char *provider_name(const struct fabric *f, unsigned provider);
const struct fabric_host *host_by_handle(const struct fabric *f, unsigned provider,
					 uint16_t handle);
const struct fabric_switch *switch_by_handle(const struct fabric *f, unsigned provider,
					     uint16_t handle);
/* "done" and the like only once that is durable; running until then. */
enum db_change_state change_state(const struct fabric_change *change);
/* The same for an incident: moving until then. */
enum db_incident_state incident_state(const struct fabric_incident *incident);
/* The Idempotency-Key, 1 to 255 visible characters; "" when there is none. Return: 0, or
 * REFUSE_FIELD with @p set. */
MUST_USE int change_key_get(const struct api_call *call, char key[static DB_KEY_MAX],
			    struct problem *p);
/* For a change that is asked for, answered once it is there, or has ended; NULL: the call has been
 * refused. */
struct ticket *change_ticket(struct api_call *call, uint32_t wait_s);
/* [{"when","command"}]: what may be typed next. */
void next_steps_write(const struct fabric_next *next, size_t count, struct buf *out);
/* {"dry_run":true,...,"plan":[...]} */
void plan_write(const struct fabric_plan *plan, bool dry_run, struct buf *out);
/* Answers with the plan, or, with @r, with what was refused; @of_body: an operation that @why names
 * stands in the request's body. */
void plan_answer(struct api_call *call, int r, const struct fabric_problem *why, bool of_body,
		 const struct fabric_plan *plan);
