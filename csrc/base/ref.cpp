#include "base/ref.h"

namespace phintys {

RefCounted::~RefCounted() = default;
void RefCounted::destroy() noexcept { delete this; }

}  // namespace phintys
