/* Many small files at once, without the interpreter's lock. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

/* One new file; false if that fails, and errno tells why. */
static bool created(int folder, const char *name, const char *body, Py_ssize_t left)
{
    /* O_EXCL: a name is written once, and never through a symbolic link. */
    int file = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file < 0)
        return false;
    while (left) {
        ssize_t written = write(file, body, (size_t)left);
        if (written < 0 && errno != EINTR) {
            int reason = errno;
            close(file);
            errno = reason;
            return false;
        }
        if (written > 0) { /* a full disk answers at the next call */
            body += written;
            left -= written;
        }
    }
    return !close(file);
}

PyDoc_STRVAR(create_doc, "create(folder, names, bodies)\n--\n\n"
"Create files in a folder.\n\n"
"Args:\n"
"    folder: Its handle.\n"
"    names: A list of bytes: relative paths, whose folders are there.\n"
"    bodies: A list of bytes, as many.\n\n"
"Returns:\n"
"    None, or the position of the file that could not be created and the error number; those before it are there.");

static PyObject *create(PyObject *module, PyObject *args)
{
    int folder, reason = 0;
    PyObject *given[2], *every[2], *answer = NULL;
    if (!PyArg_ParseTuple(args, "iO!O!", &folder, &PyList_Type, &given[0], &PyList_Type, &given[1]))
        return NULL;
    /* Tuples hold what is in them, whatever other threads do to the lists. */
    every[0] = PyList_AsTuple(given[0]);
    every[1] = every[0] ? PyList_AsTuple(given[1]) : NULL;
    Py_ssize_t count = every[1] ? PyTuple_GET_SIZE(every[0]) : -1, at = 0;
    if (count < 0 || PyTuple_GET_SIZE(every[1]) != count) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "there must be as many names as bodies");
        goto done;
    }
    for (at = 0; at < count; at++) {
        PyObject *name = PyTuple_GET_ITEM(every[0], at);
        if (!PyBytes_Check(name) || !PyBytes_Check(PyTuple_GET_ITEM(every[1], at))) {
            PyErr_SetString(PyExc_TypeError, "names and bodies must be bytes");
            goto done;
        }
        if (strlen(PyBytes_AS_STRING(name)) != (size_t)PyBytes_GET_SIZE(name)) {
            PyErr_SetString(PyExc_ValueError, "a name has a null byte");
            goto done;
        }
    }
    Py_BEGIN_ALLOW_THREADS
    for (at = 0; at < count; at++) {
        PyObject *body = PyTuple_GET_ITEM(every[1], at);
        if (!created(folder, PyBytes_AS_STRING(PyTuple_GET_ITEM(every[0], at)), PyBytes_AS_STRING(body),
                     PyBytes_GET_SIZE(body))) {
            reason = errno;
            break;
        }
    }
    Py_END_ALLOW_THREADS
    answer = reason ? Py_BuildValue("ni", at, reason) : Py_NewRef(Py_None);
done:
    Py_XDECREF(every[0]);
    Py_XDECREF(every[1]);
    return answer;
}

static PyMethodDef methods[] = {
    {"create", create, METH_VARARGS, create_doc},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "smalti.native._files", NULL, 0, methods, slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__files(void)
{
    return PyModuleDef_Init(&definition);
}
