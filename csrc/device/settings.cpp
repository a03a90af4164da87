#include "device/settings.h"

namespace phintys::device {

Settings& settings() {
  static Settings all;
  return all;
}

}  // namespace phintys::device
