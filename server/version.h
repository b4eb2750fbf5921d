/* version: the program's version, in one place. */
#ifndef VERAD_SERVER_VERSION_H
#define VERAD_SERVER_VERSION_H

#define VERAD_VERSION "0.1.0"

#endif
