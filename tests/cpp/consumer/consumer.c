/* The C interface from C99: loads the function of tests/data/train_v1.phy and calls it. */
#include <math.h>
#include <phintys/phintys.h>
#include <stdio.h>
#include <string.h>

#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      fprintf(stderr, "line %d: %s failed (%s)\n", __LINE__, #condition, phintys_error_message()); \
      return 1;                                                                                    \
    }                                                                                              \
  } while (0)

int main(int argc, char** argv) {
  double x[6] = {1, 0, -1, 0.5, 2, -3};
  const int64_t shape[2] = {2, 3};
  const int64_t wrong_shape[2] = {3, 2};
  phintys_view in;
  phintys_array* out[2] = {NULL, NULL};
  phintys_view scores;
  phintys_function* f = NULL;
  phintys_variable_info info;
  phintys_call_options limits;

  if (argc != 2) return 2;
  CHECK(phintys_abi_version() == PHINTYS_ABI_VERSION);
  CHECK(phintys_load_file(argv[1], NULL, &f) == PHINTYS_OK);
  CHECK(strcmp(phintys_function_name(f), "train") == 0);
  CHECK(phintys_input_count(f) == 2);
  memset(&info, 0, sizeof info);
  info.struct_size = sizeof info;
  CHECK(phintys_input_info(f, 0, &info) == PHINTYS_OK);
  CHECK(strcmp(info.name, "x") == 0 && info.dtype == PHINTYS_FLOAT64 && info.ndim == 2);

  in.data = x;
  in.dtype = PHINTYS_FLOAT64;
  in.ndim = 2;
  in.shape = wrong_shape;
  in.strides = NULL;
  CHECK(phintys_call(f, &in, 1, out, 2) != PHINTYS_OK);
  CHECK(strlen(phintys_error_message()) > 0 && out[0] == NULL);
  in.shape = shape;
  CHECK(phintys_call(f, &in, 1, out, 2) == PHINTYS_OK);
  CHECK(phintys_array_view(out[0], &scores) == PHINTYS_OK);
  CHECK(scores.ndim == 2 && scores.shape[0] == 2 && scores.shape[1] == 2);
  /* w = [[1, 2], [3, 4], [5, 6]], b = [0.5, -0.5] */
  CHECK(fabs(((const double*)scores.data)[0] - tanh(1 - 5 + 0.5)) < 1e-14);
  phintys_array_free(out[0]);
  phintys_array_free(out[1]);

  /* Limits. */
  out[0] = out[1] = NULL;
  memset(&limits, 0, sizeof limits);
  limits.struct_size = sizeof limits;
  limits.timeout_ns = 1;
  CHECK(phintys_call_limited(f, &in, 1, out, 2, &limits) == PHINTYS_ERROR_TIMEOUT);
  CHECK(strstr(phintys_error_message(), "'train'") != NULL && out[0] == NULL);
  limits.timeout_ns = -1;
  CHECK(phintys_call_limited(f, &in, 1, out, 2, &limits) == PHINTYS_ERROR_VALUE);
  limits.timeout_ns = INT64_MAX;
  CHECK(phintys_cancel_create(&limits.cancel) == PHINTYS_OK);
  CHECK(phintys_call_limited(f, &in, 1, out, 2, &limits) == PHINTYS_OK);
  phintys_array_free(out[0]);
  phintys_array_free(out[1]);
  phintys_cancel_request(limits.cancel);
  CHECK(phintys_cancel_requested(limits.cancel));
  CHECK(phintys_call_limited(f, &in, 1, out, 2, &limits) == PHINTYS_ERROR_CANCELLED);
  CHECK(strcmp(phintys_status_name(PHINTYS_ERROR_STEP_LIMIT), "step_limit") == 0);
  phintys_cancel_free(limits.cancel);
  phintys_function_free(f);
  return 0;
}
