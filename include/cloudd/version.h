/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDD_VERSION_H
#define CLOUDD_VERSION_H

#define CLOUDD_VERSION "0.1.0"

#endif
