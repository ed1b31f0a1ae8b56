/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudctl/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "cloudctl/table.h"

/* "a.b" in an object; NULL when a step is missing. */
static const json_t *member(const json_t *object, const char *path, size_t n)
{
	while (object && n > 0) {
		size_t step = 0;

		while (step < n && path[step] != '.')
			step++;
		object = json_object_getn(object, path, step);
		path += step + (step < n);
		n -= step + (step < n);
	}
	return object;
}

static double number_of(const json_t *value)
{
	return value && json_is_number(value) ? json_number_value(value) : 0;
}

static void scaled(struct buf *out, double value, const char *const *units)
{
	while (value >= 1024 && units[1]) {
		value /= 1024;
		units++;
	}
	if (value == (double)(long long)value || value >= 100)
		buf_printf(out, "%.0f %s", value, *units);
	else
		buf_printf(out, "%.1f %s", value, *units);
}

static const char *const mib_units[] = { "MiB", "GiB", "TiB", "PiB", NULL };
static const char *const byte_units[] = { "B", "KiB", "MiB", "GiB", "TiB", NULL };

static void duration(struct buf *out, int64_t s)
{
	if (s >= 86400)
		buf_printf(out, "%lldd %lldh", (long long)(s / 86400), (long long)(s % 86400 / 3600));
	else if (s >= 3600)
		buf_printf(out, "%lldh %lldm", (long long)(s / 3600), (long long)(s % 3600 / 60));
	else if (s >= 60)
		buf_printf(out, "%lldm %llds", (long long)(s / 60), (long long)(s % 60));
	else
		buf_printf(out, "%llds", (long long)s);
}

static void plain(struct buf *out, const json_t *value)
{
	const char *key;
	bool many = false;
	json_t *item;
	size_t i;

	switch (value ? json_typeof(value) : JSON_NULL) {
	case JSON_STRING:
		buf_puts(out, json_string_value(value));
		break;
	case JSON_INTEGER:
		buf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		break;
	case JSON_REAL:
		buf_printf(out, "%g", json_real_value(value));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		buf_puts(out, json_is_true(value) ? "yes" : "no");
		break;
	case JSON_NULL:
		break;
	case JSON_ARRAY:
		json_array_foreach(value, i, item)
		{
			buf_puts(out, i ? "," : "");
			plain(out, item);
		}
		break;
	case JSON_OBJECT:
		json_object_foreach((json_t *)value, key, item)
		{
			buf_printf(out, "%s%s=", many ? "," : "", key);
			plain(out, item);
			many = true;
		}
		break;
	}
}

static void time_text(struct buf *out, const json_t *value)
{
	char text[TIME_TEXT];

	if (json_is_integer(value) && json_integer_value(value) > 0)
		buf_puts(out, time_iso(json_integer_value(value), text));
	else if (!json_is_integer(value))
		plain(out, value);
}

static void used(struct buf *out, const json_t *object, const char *path, bool mib)
{
	size_t n = strcspn(path, "/");
	const json_t *a = member(object, path, n), *b = member(object, path + n + 1, strlen(path + n + 1));

	if (!b || json_is_null(b))
		return;
	if (mib)
		buf_printf(out, "%.4g/%.4g GiB", number_of(a) / 1024, number_of(b) / 1024);
	else
		buf_printf(out, "%.15g/%.15g", number_of(a), number_of(b));
}

/* The cell for people; `raw` for scripts: numbers unscaled. */
static void cell(struct buf *out, const json_t *object, const struct column *column, bool raw)
{
	const json_t *value;

	if (column->form == FORM_USED || column->form == FORM_USED_MIB) {
		used(out, object, column->path, column->form == FORM_USED_MIB && !raw);
		return;
	}
	value = member(object, column->path, strlen(column->path));
	if (column->form == FORM_ALLOWED && (json_is_null(value) || json_array_size(value) == 0)) {
		buf_puts(out, json_is_null(value) ? "any" : "none");
		return;
	}
	if (!value || json_is_null(value))
		return;
	if (column->form == FORM_TIME)
		time_text(out, value);
	else if (raw || !json_is_number(value))
		plain(out, value);
	else if (column->form == FORM_MIB)
		scaled(out, number_of(value), mib_units);
	else if (column->form == FORM_BYTES)
		scaled(out, number_of(value), byte_units);
	else if (column->form == FORM_SECONDS)
		duration(out, (int64_t)number_of(value));
	else
		plain(out, value);
}

static bool right_aligned(enum column_form form)
{
	return form == FORM_COUNT || form == FORM_MIB || form == FORM_BYTES || form == FORM_USED ||
	       form == FORM_USED_MIB;
}

/* The columns to show: those of the selection, in its order, or all of the view; for a view without columns
 * one for each member of the object. */
struct columns {
	struct column *list;
	size_t n;
};

static void columns_finish(struct columns *c)
{
	free(c->list);
}

static void columns_all(const struct view *view, const json_t *sample, struct columns *out)
{
	const char *key;
	json_t *value;
	size_t n = 0;

	while (view->columns && view->columns[n].title)
		n++;
	out->n = 0;
	out->list = xcalloc(n + json_object_size(sample) + 1, sizeof *out->list);
	if (n > 0)
		memcpy(out->list, view->columns, n * sizeof *out->list);
	out->n = n;
	if (n == 0)
		json_object_foreach((json_t *)sample, key, value) if (!json_is_object(value))
			out->list[out->n++] = (struct column) { key, key, FORM_TEXT };
}

static int columns_pick(const struct selection *sel, struct columns *columns, struct error *err)
{
	struct column *picked;

	if (!sel || sel->n == 0)
		return 0;
	picked = xcalloc(sel->n, sizeof *picked);
	for (size_t i = 0; i < sel->n; i++) {
		size_t at = 0;

		while (at < columns->n && strcasecmp(columns->list[at].title, sel->names[i]))
			at++;
		if (at == columns->n) {
			CLEANUP(buf_finish) struct buf names = { 0 };

			for (at = 0; at < columns->n; at++)
				buf_printf(&names, "%s%s", at ? ", " : "", columns->list[at].title);
			free(picked);
			return error_set(err, ERR_BAD_REQUEST, "there is no column '%s'; there are: %s",
				sel->names[i], buf_text(&names));
		}
		picked[i] = columns->list[at];
	}
	free(columns->list);
	columns->list = picked;
	columns->n = sel->n;
	return 0;
}

static const json_t *view_data(const struct view *view, const json_t *answer)
{
	return view->key ? json_object_get(answer, view->key) : answer;
}

static int columns_of(const struct view *view, const json_t *data, const struct selection *sel,
	struct columns *out, struct error *err)
{
	columns_all(view, json_is_array(data) ? json_array_get(data, 0) : data, out);
	return columns_pick(sel, out, err);
}

static void list_table(const json_t *list, const struct columns *columns, struct buf *out)
{
	CLEANUP(table_finish) struct table t = { 0 };
	const char **titles = xcalloc(columns->n + 1, sizeof *titles);
	json_t *object;
	size_t row;

	for (size_t i = 0; i < columns->n; i++) {
		char *title = xstrdup(columns->list[i].title);

		for (char *p = title; *p; p++)
			*p = (char)(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p);
		titles[i] = title;
	}
	table_init(&t, columns->n, titles);
	json_array_foreach(list, row, object)
	{
		table_row(&t);
		for (size_t i = 0; i < columns->n; i++) {
			CLEANUP(buf_finish) struct buf text = { 0 };

			cell(&text, object, &columns->list[i], false);
			table_set(&t, i, text.len ? buf_text(&text) : "-");
			t.right[i] = right_aligned(columns->list[i].form);
		}
	}
	table_print(&t, out);
	for (size_t i = 0; i < columns->n; i++)
		free((void *)titles[i]);
	free((void *)titles);
}

static void object_table(const json_t *object, const struct columns *columns, struct buf *out)
{
	CLEANUP(table_finish) struct table t = { 0 };

	table_init(&t, 2, NULL);
	for (size_t i = 0; i < columns->n; i++) {
		CLEANUP(buf_finish) struct buf text = { 0 };

		cell(&text, object, &columns->list[i], false);
		table_row(&t);
		table_set(&t, 0, columns->list[i].title);
		table_set(&t, 1, text.len ? buf_text(&text) : "-");
	}
	table_print(&t, out);
}

int view_table(const struct view *view, const json_t *answer, const struct selection *sel, struct buf *out,
	struct error *err)
{
	CLEANUP(columns_finish) struct columns columns = { 0 };
	const json_t *data = view_data(view, answer);

	if (columns_of(view, data, sel, &columns, err))
		return -1;
	if (json_is_array(data)) {
		if (json_array_size(data) > 0)
			list_table(data, &columns, out);
		else
			buf_printf(out, "%s\n", view->empty ? view->empty : "(none)");
		return 0;
	}
	object_table(data, &columns, out);
	for (const struct view *part = view->parts; part && part->key && !(sel && sel->n); part++) {
		if (json_array_size(json_object_get(data, part->key)) == 0)
			continue;
		buf_printf(out, "\n%s:\n", part->key);
		if (view_table(part, data, NULL, out, err))
			return -1;
	}
	return 0;
}

static void values_line(const json_t *object, const struct columns *columns, struct buf *out)
{
	for (size_t i = 0; i < columns->n; i++) {
		CLEANUP(buf_finish) struct buf text = { 0 };

		buf_puts(out, i ? "\t" : "");
		cell(&text, object, &columns->list[i], true);
		for (size_t at = 0; at < text.len; at++)
			if ((unsigned char)text.data[at] < ' ' || text.data[at] == 0x7f)
				text.data[at] = ' '; /* one line for one object, whatever it holds */
		buf_append(out, text.data, text.len);
	}
	buf_puts(out, "\n");
}

int view_values(const struct view *view, const json_t *answer, const struct selection *sel, struct buf *out,
	struct error *err)
{
	CLEANUP(columns_finish) struct columns columns = { 0 };
	const json_t *data = view_data(view, answer);
	json_t *object;
	size_t row;

	if (columns_of(view, data, sel, &columns, err))
		return -1;
	if (!json_is_array(data))
		values_line(data, &columns, out);
	json_array_foreach(data, row, object) values_line(object, &columns, out);
	return 0;
}

static void csv_cell(struct buf *out, struct buf *text, bool first)
{
	const char *p = buf_text(text);
	bool formula = *p && strchr("=+-@\t", *p); /* for a spreadsheet it shall be text */

	if (strspn(p, "-0123456789.") == strlen(p))
		formula = false;
	buf_puts(out, first ? "" : ",");
	if (!formula && !strpbrk(p, ",\"\r\n")) {
		buf_puts(out, p);
		return;
	}
	buf_puts(out, formula ? "\"'" : "\"");
	for (; *p; p++)
		buf_append(out, *p == '"' ? "\"\"" : p, *p == '"' ? 2 : 1);
	buf_puts(out, "\"");
}

static void csv_line(const json_t *object, const struct columns *columns, struct buf *out)
{
	for (size_t i = 0; i < columns->n; i++) {
		CLEANUP(buf_finish) struct buf text = { 0 };

		if (object)
			cell(&text, object, &columns->list[i], true);
		else
			buf_puts(&text, columns->list[i].title);
		csv_cell(out, &text, i == 0);
	}
	buf_puts(out, "\r\n");
}

int view_csv(const struct view *view, const json_t *answer, const struct selection *sel, struct buf *out,
	struct error *err)
{
	CLEANUP(columns_finish) struct columns columns = { 0 };
	const json_t *data = view_data(view, answer);
	json_t *object;
	size_t row;

	if (columns_of(view, data, sel, &columns, err))
		return -1;
	csv_line(NULL, &columns, out);
	if (!json_is_array(data))
		csv_line(data, &columns, out);
	json_array_foreach(data, row, object) csv_line(object, &columns, out);
	return 0;
}
