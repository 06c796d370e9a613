from django.apps import AppConfig


class WaitingRoomConfig(AppConfig):
    name = "checkout.waiting_room"
