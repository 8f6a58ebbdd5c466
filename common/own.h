/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One owner for each heap object: OWNED frees at the end of the scope, TAKE hands over. */
#pragma once

#define OWNED(free_fn) __attribute__((cleanup(free_fn##_at)))
/* For a type that is held by pointer. */
#define OWNED_BY(type, free_fn)                      \
	static inline void free_fn##_at(type **held) \
	{                                            \
		free_fn(*held);                      \
	}
/* For a type that is held by value; OWNED(fn) on the value itself. */
#define OWNED_BY_VALUE(type, done_fn)               \
	static inline void done_fn##_at(type *held) \
	{                                           \
		done_fn(held);                      \
	}
#define TAKE(p)                             \
	__extension__({                     \
		__typeof__(p) taken_ = (p); \
		(p) = NULL;                 \
		taken_;                     \
	})
