/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/invoice.h"

#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "domain/month.h"

const char *invoice_uid(int month, int64_t number, char out[INVOICE_UID_TEXT])
{
	char text[MONTH_TEXT];

	snprintf(out, INVOICE_UID_TEXT, "%s-%06lld", month_text(month, text), (long long)number % 100000000);
	return out;
}

/* --- the digest --- */

void invoice_digest_value(struct buf *b, const void *p, size_t n)
{
	buf_printf(b, "%zu:", n);
	buf_append(b, p, n);
	buf_puts(b, ",");
}

static void text_value(struct buf *b, const char *text)
{
	invoice_digest_value(b, text, strlen(text));
}

static void int_value(struct buf *b, int64_t v)
{
	char text[24];

	snprintf(text, sizeof text, "%lld", (long long)v);
	text_value(b, text);
}

static void line_values(struct buf *b, const struct rating_line *l)
{
	text_value(b, rating_line_names[l->kind]);
	text_value(b, l->text);
	text_value(b, l->item);
	text_value(b, l->quantity);
	text_value(b, l->unit);
	text_value(b, l->price);
	int_value(b, l->amount);
}

void invoice_digest(
	const struct invoice *v, const struct rating_line *lines, size_t n, unsigned char out[SHA256_SIZE])
{
	CLEANUP(buf_finish) struct buf b = { 0 };

	text_value(&b, "cloudd invoice 1");
	text_value(&b, v->uid);
	int_value(&b, v->month);
	text_value(&b, v->project_uid);
	int_value(&b, v->book_version);
	text_value(&b, v->currency);
	int_value(&b, v->created_us);
	int_value(&b, v->total);
	for (size_t i = 0; i < n; i++)
		if (lines[i].kind != LINE_CORRECTION)
			line_values(&b, &lines[i]);
	sha256(b.data, b.len, out);
}

const char *invoice_fault(const struct invoice *v, const struct rating_line *lines, size_t n)
{
	const struct currency *c = currency_find(v->currency);
	unsigned char digest[SHA256_SIZE];
	int64_t originals = 0, total = 0;

	invoice_digest(v, lines, n, digest);
	if (memcmp(digest, v->digest, SHA256_SIZE) != 0)
		return "its lines are not those that were sealed";
	for (size_t i = 0; i < n; i++) {
		if (lines[i].kind == LINE_CORRECTION)
			continue;
		originals++;
		if (!c || !rating_line_holds(&lines[i], c))
			return "an amount is not what quantity and price say";
		if (!money_add(&total, lines[i].amount))
			return "its sum is more than can be";
	}
	return total != v->total || originals != v->lines_n ? "its total is not the sum of its lines" : NULL;
}

/* --- as text --- */

static void csv_cell(struct buf *out, const char *text, const char *end)
{
	/* what a spreadsheet would take for a formula shall be text, but for numbers */
	bool formula = *text && strchr("=+-@\t", *text) && strspn(text, "-0123456789.") != strlen(text);

	if (!formula && !strpbrk(text, ",\"\r\n")) {
		buf_puts(out, text);
		buf_puts(out, end);
		return;
	}
	buf_puts(out, formula ? "\"'" : "\"");
	for (; *text; text++)
		buf_append(out, *text == '"' ? "\"\"" : text, *text == '"' ? 2 : 1);
	buf_puts(out, "\"");
	buf_puts(out, end);
}

static void csv_line(struct buf *out, const struct invoice *v, const struct currency *c, size_t i,
	const struct rating_line *l)
{
	char month[MONTH_TEXT], amount[MONEY_TEXT], quantity[FRACTION_TEXT] = "";
	money_wide num, den;

	if (fraction_parse(l->quantity, &num, &den))
		quantity_text(num, den, quantity);
	csv_cell(out, v->uid ? v->uid : "", ",");
	csv_cell(out, month_text(v->month, month), ",");
	csv_cell(out, v->project_uid, ",");
	buf_printf(out, "%zu,", i + 1);
	csv_cell(out, rating_line_names[l->kind], ",");
	csv_cell(out, l->text, ",");
	csv_cell(out, quantity, ",");
	csv_cell(out, l->quantity, ",");
	csv_cell(out, l->unit, ",");
	csv_cell(out, l->price, ",");
	csv_cell(out, money_text(l->amount, c, amount), ",");
	csv_cell(out, c->code, "\r\n");
}

void invoice_csv(struct buf *out, const struct invoice *v, const struct rating_line *lines, size_t n)
{
	static const struct currency unknown = { "?", 0 };
	const struct currency *c = currency_find(v->currency);

	buf_puts(out, "invoice,month,project_id,line,kind,text,quantity,quantity_exact,unit,price,amount,"
		      "currency\r\n");
	for (size_t i = 0; i < n; i++)
		csv_line(out, v, c ? c : &unknown, i, &lines[i]);
}
