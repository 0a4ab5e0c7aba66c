from .delivery import Delivery as Delivery
