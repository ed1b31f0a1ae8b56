/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/cpu_traits.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

#define X86 "HW_CPU_X86_"

static const struct feature {
	const char *name, *trait;
} features[] = {
	/* by name */
	{ "3dnow", X86 "3DNOW" },
	{ "abm", X86 "ABM" },
	{ "aes", X86 "AESNI" },
	{ "avx", X86 "AVX" },
	{ "avx2", X86 "AVX2" },
	{ "avx512bitalg", X86 "AVX512BITALG" },
	{ "avx512bw", X86 "AVX512BW" },
	{ "avx512cd", X86 "AVX512CD" },
	{ "avx512dq", X86 "AVX512DQ" },
	{ "avx512er", X86 "AVX512ER" },
	{ "avx512f", X86 "AVX512F" },
	{ "avx512ifma", X86 "AVX512IFMA" },
	{ "avx512pf", X86 "AVX512PF" },
	{ "avx512vbmi", X86 "AVX512VBMI" },
	{ "avx512vbmi2", X86 "AVX512VBMI2" },
	{ "avx512vl", X86 "AVX512VL" },
	{ "avx512vnni", X86 "AVX512VNNI" },
	{ "avx512vpopcntdq", X86 "AVX512VPOPCNTDQ" },
	{ "bmi1", X86 "BMI" },
	{ "bmi2", X86 "BMI2" },
	{ "f16c", X86 "F16C" },
	{ "fma", X86 "FMA3" },
	{ "fma4", X86 "FMA4" },
	{ "gfni", X86 "AVX512GFNI" },
	{ "mmx", X86 "MMX" },
	{ "mpx", X86 "MPX" },
	{ "pclmuldq", X86 "CLMUL" },
	{ "pni", X86 "SSE3" },
	{ "sha-ni", X86 "SHA" },
	{ "sse", X86 "SSE" },
	{ "sse2", X86 "SSE2" },
	{ "sse4.1", X86 "SSE41" },
	{ "sse4.2", X86 "SSE42" },
	{ "sse4a", X86 "SSE4A" },
	{ "ssse3", X86 "SSSE3" },
	{ "svm", X86 "SVM" },
	{ "tbm", X86 "TBM" },
	{ "vaes", X86 "AVX512VAES" },
	{ "vmx", X86 "VMX" },
	{ "vpclmulqdq", X86 "AVX512VPCLMULQDQ" },
	{ "xop", X86 "XOP" },
};

static int compare(const void *key, const void *row)
{
	return strcmp(key, ((const struct feature *)row)->name);
}

const char *cpu_trait(const char *feature)
{
	const struct feature *f = bsearch(feature, features, ARRAY_LEN(features), sizeof *features, compare);

	return f ? f->trait : NULL;
}

const char *cpu_trait_at(size_t i)
{
	return i < ARRAY_LEN(features) ? features[i].trait : NULL;
}

int trait_check_custom(const char *name, struct error *err)
{
	static const char prefix[] = "CUSTOM_";
	size_t n = strlen(name);

	if (strncmp(name, prefix, strlen(prefix)) != 0 || n == strlen(prefix) || n >= TRAIT_NAME ||
		strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != n)
		return error_set(err, ERR_BAD_REQUEST,
			"trait '%.80s' must be CUSTOM_ and capital letters, digits and underscores, at most "
			"%d "
			"characters in all; those of the CPU come from the host",
			name, TRAIT_NAME - 1);
	return 0;
}
