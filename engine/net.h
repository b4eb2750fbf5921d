/* placeholder: the engine's author is writing this file now */
#ifndef VERAD_ENGINE_NET_H
#define VERAD_ENGINE_NET_H
#include "engine/real.h"
#include <stddef.h>
#include <stdbool.h>
enum { NET_MAX_LAYERS = 9 };
struct net_shape { size_t n_layers; size_t size[NET_MAX_LAYERS + 1]; bool weight_norm; };
#endif
