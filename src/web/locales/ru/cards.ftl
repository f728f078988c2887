# Карточки клиентов.

card-nameless = Без имени

cards-title = Клиенты
cards-none = Клиентов пока нет: они появятся с первыми звонками или импортом.
cards-not-found = Никто не найден. Попробуйте часть имени или последние цифры номера.
card-name = Имя
card-company = Компания
card-changed = Изменено
card-rename = Изменить имя и компанию
card-provisional = предварительная
card-first-line = Впервые пришёл
card-since = Клиент с
card-phones = Номера
phone-kind-own = личный
phone-kind-company = компании
phone-kind-shared = общий
card-notes = Заметки и изменения
card-notes-none = Заметок пока нет.
card-calls = Звонки
card-calls-none = Звонков пока нет.
card-event-created = карточка создана звонком
card-event-imported = загружена из файла
card-event-owner = сменился ответственный
card-event-renamed = новое имя
card-event-touch = клиент написал
